/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload.h - send one profile to an Agent or to the intake, as often as it takes.
 *
 * A profile to send is a pair: event.json and the pprof attachment, both
 * complete in memory. Where it comes from (just encoded, or stored earlier) is
 * all the same to upload_send(). The same bytes go out with every attempt, but
 * for one flag in event.json: see upload_mark_duplicate().
 *
 * Runs in the exporter, never in the collector: it waits for the network.
 * libcurl is loaded when the first profile is sent (it and what it needs
 * would cost every start of a program 3 ms and 6 MB), and does one attempt;
 * what an answer means and when to try again is decided here.
 */
#ifndef EXPORT_UPLOAD_H
#define EXPORT_UPLOAD_H

#include "export/identity.h"
#include "export/secrets.h"
#include "export/upload_target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLOAD_TIMEOUT_MS     10000 /* of one attempt, default */
#define UPLOAD_BACKOFF_MS     500   /* before the second attempt, doubled from then on */
#define UPLOAD_BACKOFF_MAX_MS 30000
#define UPLOAD_MAX_PROFILE    (10u << 20) /* compressed; beyond it the backend is said to skip a profile */

/* In event.json's "internal"; `false`, or once an answer got lost `true ` in its place. */
#define UPLOAD_DUPLICATE_FLAG "\"possibly-duplicate\":"

struct upload_request {
	uint8_t *event; /* JSON; the flag in it may be changed */
	size_t event_len;
	const uint8_t *pprof;
	size_t pprof_len;
};

struct upload_policy {
	uint32_t timeout_ms;     /* of one attempt; 0: UPLOAD_TIMEOUT_MS */
	uint32_t deadline_ms;    /* of all attempts and the pauses between them; 0: one attempt */
	uint32_t max_attempts;   /* 0: as many as the deadline allows */
	uint32_t backoff_ms;     /* 0: UPLOAD_BACKOFF_MS */
	uint32_t backoff_max_ms; /* 0: UPLOAD_BACKOFF_MAX_MS */
	uint64_t not_before_ns;  /* monotonic: an earlier answer asked for no attempt before */
};

enum upload_end {
	UPLOAD_NONE,      /* nothing was to be uploaded */
	UPLOAD_DELIVERED, /* 2xx */
	UPLOAD_REFUSED,   /* an answer, or a state of things, that the same bytes would meet again */
	UPLOAD_GAVE_UP,   /* no good answer in the time there was: worth another try later */
};

struct upload_result {
	enum upload_end end;
	uint32_t attempts;
	uint32_t status; /* HTTP, of the last answer; 0: none came */
	bool duplicate;  /* the flag is set: an attempt may have been taken although no answer said so */
	uint64_t not_before_ns; /* monotonic: what the receiver last asked for with Retry-After; 0: nothing */
	char why[224];          /* unless delivered: what failed on what, what to do; free of secrets */
};

/*
 * Send @req. The outcome is in @result. Returns 0 when delivered, else a
 * negative errno that goes with result->end. @secrets and @identity may be NULL.
 */
int upload_send(const struct upload_target *target, const struct secrets *secrets,
		const struct identity *identity, struct upload_request *req,
		const struct upload_policy *policy, struct upload_result *result);

/*
 * Somebody waits for this process: upload_send() shall come to an end within
 * UPLOAD_HURRY_MS, with one last attempt instead of a pause. Async-signal-safe.
 */
#define UPLOAD_HURRY_MS 1200
void upload_hurry(void);
bool upload_hurried(void);

/*
 * Set the flag that tells a receiver that it may have this profile already
 * (same runtime-id and profile_seq). False when @event has no such flag. Text of
 * the program cannot be taken for it: quotes are escaped there.
 */
bool upload_mark_duplicate(uint8_t *event, size_t len);

/*
 * For `-l debug`: ask the Agent for /info and say in @text (@len bytes) whether it
 * answers, its version (below 7.20 takes no profiles) and whether it lists the
 * profile endpoint. Agentless targets have no such question. 0 or -errno.
 */
int upload_probe(const struct upload_target *target, const struct secrets *secrets, uint32_t timeout_ms,
		 char *text, size_t len);

#endif
