/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload_curl.h - one HTTP request by libcurl; private to upload*.c.
 *
 * libcurl.so.4 is looked up at run time. Nothing here decides: what came back
 * is told in struct upload_answer.
 */
#ifndef EXPORT_UPLOAD_CURL_H
#define EXPORT_UPLOAD_CURL_H

#include "export/upload.h"

#define UPLOAD_ANSWER_MAX 16384 /* bytes of an answer that are kept; more is not read */

struct upload_answer {
	bool completed;    /* libcurl found nothing wrong */
	bool no_use;       /* what went wrong would go wrong again: bad certificate, refused by the proxy */
	bool body_sent;    /* the whole body had gone out: it may have arrived */
	long status;       /* of the receiver; 0: no (sensible) answer */
	long proxy_status; /* of the proxy's answer to CONNECT; 0: none */
	int64_t retry_after_s;            /* 0: not said */
	char error[256];                  /* libcurl's words; may hold secrets */
	char body[UPLOAD_ANSWER_MAX + 1]; /* its beginning, NUL-terminated */
	size_t body_len;
};

struct upload_client;

/*
 * Prepare requests to @target; all that is given is borrowed until
 * upload_client_free(). @req NULL: a GET of "/info" instead. 0; -ELIBACC when
 * there is no libcurl, -ENOMEM; @why says so.
 */
int upload_client_new(struct upload_client **out, const struct upload_target *target,
		      const struct secrets *secrets, const struct identity *identity,
		      const struct upload_request *req, char *why, size_t why_len);
void upload_client_free(struct upload_client *c); /* NULL is fine */

/* Do it once, on a connection of its own, with the same bytes each time. */
void upload_client_perform(struct upload_client *c, uint32_t timeout_ms, struct upload_answer *answer);

#endif
