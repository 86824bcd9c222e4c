/* SPDX-License-Identifier: Apache-2.0 */
/* upload_curl.c - see upload_curl.h. */
#define CURL_DISABLE_TYPECHECK /* its macros name functions that we call through pointers */
#include "export/upload_curl.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS     10000
#define HEADERS_MAX    65536
#define HURRY_S        (UPLOAD_HURRY_MS / 1000.0)
#define AFTER_ANSWER_S 1.0 /* a good answer's body is of no interest: at most this long for it */

#define FUNCTIONS(X)                                                                                         \
	X(curl_global_init)                                                                                  \
	X(curl_easy_init)                                                                                    \
	X(curl_easy_cleanup)                                                                                 \
	X(curl_easy_perform)                                                                                 \
	X(curl_easy_strerror)                                                                                \
	X(curl_mime_init)                                                                                    \
	X(curl_mime_free)                                                                                    \
	X(curl_mime_addpart)                                                                                 \
	X(curl_mime_name)                                                                                    \
	X(curl_mime_filename)                                                                                \
	X(curl_mime_type)                                                                                    \
	X(curl_mime_data_cb)                                                                                 \
	X(curl_slist_append)                                                                                 \
	X(curl_slist_free_all)

/* As the header declares them; the two that take anything are written out. */
static struct {
#define X(name) __typeof__(name) *name;
	FUNCTIONS(X)
#undef X
	CURLcode (*setopt)(CURL *, CURLoption, ...);
	CURLcode (*getinfo)(CURL *, CURLINFO, ...);
	bool ready;
} lib;

struct source { /* what a part's bytes are read from */
	const uint8_t *data;
	size_t len, pos;
};

struct upload_client {
	CURL *curl;
	curl_mime *mime;
	struct curl_slist *headers;
	struct source event, pprof;
	char error[CURL_ERROR_SIZE];
	const char
		*all_authorities; /* file to turn to when the directory does not vouch; libcurl's; or NULL */
	struct upload_answer *answer; /* of the attempt that runs */
	size_t header_bytes;
	bool headers_done;
	double answered_at, hurried_at; /* s since the attempt began; 0: not yet */
	curl_off_t body_total;
};

/* ---- the library ---- */

static int load(char *why, size_t why_len)
{
	static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
	void *so = NULL;
	bool all = true;
	size_t i;

	if (lib.ready)
		return 0;
	for (i = 0; i < sizeof(names) / sizeof(*names) && !so; i++)
		so = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!so) {
		snprintf(why, why_len,
			 "uploading takes libcurl.so.4, which is not installed\n  fix: install "
			 "libcurl4 (Debian, Ubuntu) or libcurl");
		return -ELIBACC;
	}
#define X(name)                                                                                              \
	lib.name = (__typeof__(name) *)dlsym(so, #name);                                                     \
	all &= lib.name != NULL;
	FUNCTIONS(X)
#undef X
	lib.setopt = (CURLcode(*)(CURL *, CURLoption, ...))dlsym(so, "curl_easy_setopt");
	lib.getinfo = (CURLcode(*)(CURL *, CURLINFO, ...))dlsym(so, "curl_easy_getinfo");
	if (!all || !lib.setopt || !lib.getinfo || lib.curl_global_init(CURL_GLOBAL_DEFAULT)) {
		snprintf(why, why_len, "libcurl.so.4 is too old, or cannot be used");
		dlclose(so);
		return -ELIBACC;
	}
	lib.ready = true; /* never unloaded: the process ends soon */
	return 0;
}

/* ---- callbacks ---- */

static size_t read_part(char *buffer, size_t size, size_t n, void *arg)
{
	struct source *s = arg;
	size_t want = size * n; /* libcurl's buffer: cannot overflow */

	if (want > s->len - s->pos)
		want = s->len - s->pos;
	memcpy(buffer, s->data + s->pos, want);
	s->pos += want;
	return want;
}

static int seek_part(void *arg, curl_off_t offset, int origin)
{
	struct source *s = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > s->len)
		return CURL_SEEKFUNC_FAIL;
	s->pos = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t take_header(char *line, size_t size, size_t n, void *arg)
{
	struct upload_client *c = arg;

	c->header_bytes += size * n;
	c->headers_done = size * n <= 2 && (line[0] == '\r' || line[0] == '\n');
	return c->header_bytes > HEADERS_MAX ? 0 : size * n;
}

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct upload_answer *a = ((struct upload_client *)arg)->answer;
	size_t len = size * n, room = UPLOAD_ANSWER_MAX - a->body_len;

	if (len > room)
		len = room;
	memcpy(a->body + a->body_len, data, len);
	a->body_len += len;
	a->body[a->body_len] = '\0';
	return len == size * n ? len : 0;
}

static int progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
	struct upload_client *c = arg;
	double elapsed = 0;
	long status = 0;

	(void)dltotal;
	(void)dlnow;
	(void)ulnow;
	if (ultotal > 0)
		c->body_total = ultotal;
	if (!c->headers_done && !upload_hurried())
		return 0;
	lib.getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	lib.getinfo(c->curl, CURLINFO_TOTAL_TIME, &elapsed);
	if (upload_hurried() && !(c->hurried_at > 0))
		c->hurried_at = elapsed;
	if (upload_hurried() && elapsed - c->hurried_at > HURRY_S)
		return 1;
	if (!c->headers_done)
		return 0;
	if (status < 200 || status > 299)
		return 0;
	if (!(c->answered_at > 0))
		c->answered_at = elapsed;
	return elapsed - c->answered_at > AFTER_ANSWER_S;
}

/* ---- preparing ---- */

static int add_header(struct upload_client *c, const char *name, const char *value)
{
	char line[512];
	struct curl_slist *grown;

	if (name && value && !*value)
		return 0;
	snprintf(line, sizeof(line), "%s: %s", name, value ? value : "");
	if (!value) /* the form that takes a header of libcurl's own away */
		snprintf(line, sizeof(line), "%s:", name);
	grown = lib.curl_slist_append(c->headers, line);
	explicit_bzero(line, sizeof(line));
	if (!grown)
		return -ENOMEM;
	c->headers = grown;
	return 0;
}

static int add_headers(struct upload_client *c, const struct upload_target *t, const struct secrets *secrets,
		       const struct identity *id)
{
	int err = add_header(c, "Expect", NULL);

	if (!err)
		err = add_header(c, "DD-EVP-ORIGIN", "ddprof");
	if (!err)
		err = add_header(c, "DD-EVP-ORIGIN-VERSION", DDPROF_VERSION);
	if (!err && t->agentless && secrets)
		err = add_header(c, "DD-API-KEY", secrets->api_key);
	if (!err && id)
		err = add_header(c, "Datadog-Container-ID", id->container_id);
	if (!err && id)
		err = add_header(c, "Datadog-Entity-ID", id->entity_id);
	if (!err && id)
		err = add_header(c, "Datadog-External-Env", id->external_env);
	if (!err)
		lib.setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
	return err;
}

static int add_part(struct upload_client *c, const char *name, const char *file, const char *type,
		    struct source *s)
{
	curl_mimepart *part = lib.curl_mime_addpart(c->mime);

	if (!part || lib.curl_mime_name(part, name) || lib.curl_mime_filename(part, file) ||
	    lib.curl_mime_type(part, type) ||
	    lib.curl_mime_data_cb(part, (curl_off_t)s->len, read_part, seek_part, NULL, s))
		return -ENOMEM;
	return 0;
}

static int add_body(struct upload_client *c, const struct upload_request *req)
{
	int err;

	c->event = (struct source){.data = req->event, .len = req->event_len};
	c->pprof = (struct source){.data = req->pprof, .len = req->pprof_len};
	c->mime = lib.curl_mime_init(c->curl);
	err = c->mime ? add_part(c, "event", "event.json", "application/json", &c->event) : -ENOMEM;
	if (!err)
		err = add_part(c, "profile.pprof", "profile.pprof", "application/octet-stream", &c->pprof);
	if (!err)
		lib.setopt(c->curl, CURLOPT_MIMEPOST, c->mime);
	return err;
}

/* The user part goes back to its place: libcurl reads it there as every client does. */
static int set_url(struct upload_client *c, const struct upload_target *t, const struct secrets *secrets,
		   bool info)
{
	char url[UPLOAD_URL_MAX + 64], full[UPLOAD_URL_MAX + 64 + SECRETS_USER_MAX + 2];
	const char *rest;
	CURLcode code;

	if (info)
		snprintf(url, sizeof(url), "%s/info", t->base);
	else
		upload_target_request_url(t, url);
	rest = strstr(url, "://") + strlen("://");
	snprintf(full, sizeof(full), "%.*s%s%s%s", (int)(rest - url), url, secrets ? secrets->url_user : "",
		 secrets && *secrets->url_user ? "@" : "", rest);
	code = lib.setopt(c->curl, CURLOPT_URL, full);
	explicit_bzero(full, sizeof(full));
	return code ? -ENOMEM : 0;
}

/*
 * The file of all authorities takes 30 ms and 3 MB to read, their directory
 * is looked into for the one that is asked for: so that first, where
 * there is one.
 */
static void set_authorities(struct upload_client *c)
{
	static const char *const files[] = {"CURL_CA_BUNDLE", "SSL_CERT_FILE"};
	const char *value, *file = NULL, *dir = NULL, *own_dir = getenv("SSL_CERT_DIR");
	bool chosen = false;
	size_t i;

	/* the certificates that other programs are told to trust; libcurl itself does not look */
	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		value = getenv(files[i]);
		if (!value || !*value)
			continue;
		lib.setopt(c->curl, CURLOPT_CAINFO, value);
		chosen = true;
	}
	if (own_dir && *own_dir)
		lib.setopt(c->curl, CURLOPT_CAPATH, own_dir);
	if (chosen || lib.getinfo(c->curl, CURLINFO_CAINFO, &file) ||
	    lib.getinfo(c->curl, CURLINFO_CAPATH, &dir) || !file || !dir)
		return;
	c->all_authorities = file;
	lib.setopt(c->curl, CURLOPT_CAINFO, NULL);
}

static void set_options(struct upload_client *c, const struct upload_target *t)
{
	CURL *h = c->curl;

	lib.setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	lib.setopt(h, CURLOPT_FOLLOWLOCATION, 0L); /* neither key nor profile for whoever is named */
	lib.setopt(h, CURLOPT_FORBID_REUSE, 1L);
	lib.setopt(h, CURLOPT_NOSIGNAL, 1L);
	lib.setopt(h, CURLOPT_USERAGENT, "ddprof-run/" DDPROF_VERSION);
	lib.setopt(h, CURLOPT_ERRORBUFFER, c->error);
	lib.setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	lib.setopt(h, CURLOPT_HEADERFUNCTION, take_header);
	lib.setopt(h, CURLOPT_HEADERDATA, c);
	lib.setopt(h, CURLOPT_WRITEFUNCTION, take_body);
	lib.setopt(h, CURLOPT_WRITEDATA, c);
	lib.setopt(h, CURLOPT_XFERINFOFUNCTION, progress);
	lib.setopt(h, CURLOPT_XFERINFODATA, c);
	lib.setopt(h, CURLOPT_NOPROGRESS, 0L);
	lib.setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* what a proxy says is no answer */
	if (*t->socket)
		lib.setopt(h, CURLOPT_UNIX_SOCKET_PATH, t->socket);
	if (t->loopback)
		lib.setopt(h, CURLOPT_PROXY, "");
	set_authorities(c);
}

int upload_client_new(struct upload_client **out, const struct upload_target *target,
		      const struct secrets *secrets, const struct identity *identity,
		      const struct upload_request *req, char *why, size_t why_len)
{
	struct upload_client *c = NULL;
	int err = load(why, why_len);

	if (err)
		return err;
	c = calloc(1, sizeof(*c));
	if (c)
		c->curl = lib.curl_easy_init();
	err = c && c->curl ? set_url(c, target, secrets, !req) : -ENOMEM;
	if (!err) {
		set_options(c, target);
		err = add_headers(c, target, secrets, identity);
	}
	if (!err && req)
		err = add_body(c, req);
	if (err) {
		snprintf(why, why_len, "no memory for uploading");
		upload_client_free(c);
		return err;
	}
	*out = c;
	return 0;
}

void upload_client_free(struct upload_client *c)
{
	if (!c)
		return;
	if (c->curl)
		lib.curl_easy_cleanup(c->curl);
	if (c->mime)
		lib.curl_mime_free(c->mime);
	if (c->headers)
		lib.curl_slist_free_all(c->headers);
	free(c);
}

/* ---- one attempt ---- */

/* Would the same request fail in the same way for as long as nobody mends something? */
static bool hopeless(CURLcode code)
{
	switch (code) {
	case CURLE_URL_MALFORMAT:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CRL_BADFILE:
		return true;
	default:
		return false;
	}
}

void upload_client_perform(struct upload_client *c, uint32_t timeout_ms, struct upload_answer *answer)
{
	curl_off_t sent = 0, retry_after = 0;
	CURLcode code;

	memset(answer, 0, sizeof(*answer));
	c->answer = answer;
	c->header_bytes = 0;
	c->headers_done = false;
	c->answered_at = c->hurried_at = 0;
	c->body_total = 0;
	c->error[0] = '\0';
	c->event.pos = c->pprof.pos = 0;
	lib.setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	code = lib.curl_easy_perform(c->curl);
	if (code == CURLE_PEER_FAILED_VERIFICATION && c->all_authorities) {
		lib.setopt(c->curl, CURLOPT_CAINFO, c->all_authorities);
		c->all_authorities = NULL;
		code = lib.curl_easy_perform(c->curl); /* nothing had been sent yet */
	}
	lib.getinfo(c->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	lib.getinfo(c->curl, CURLINFO_HTTP_CONNECTCODE, &answer->proxy_status);
	lib.getinfo(c->curl, CURLINFO_SIZE_UPLOAD_T, &sent);
	lib.getinfo(c->curl, CURLINFO_RETRY_AFTER, &retry_after);
	answer->completed = !code;
	answer->body_sent = c->body_total > 0 && sent >= c->body_total;
	/* headers that were cut off say nothing for certain; interim answers are none */
	if (code && (!c->headers_done || answer->status < 200))
		answer->status = 0;
	if (answer->proxy_status / 100 == 2)
		answer->proxy_status = 0;
	answer->retry_after_s = retry_after;
	answer->no_use = hopeless(code) || answer->proxy_status / 100 == 4;
	snprintf(answer->error, sizeof(answer->error), "%s",
		 *c->error ? c->error : lib.curl_easy_strerror(code));
	c->answer = NULL;
}
