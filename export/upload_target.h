/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload_target.h - where uploads go: Agent by URL, host, socket or default; or the intake itself.
 */
#ifndef EXPORT_UPLOAD_TARGET_H
#define EXPORT_UPLOAD_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLOAD_URL_MAX        1024
#define UPLOAD_SOCKET_MAX     107 /* bytes that fit sockaddr_un.sun_path, besides the NUL */
#define UPLOAD_DEFAULT_PORT   8126
#define UPLOAD_DEFAULT_SITE   "datadoghq.com"
#define UPLOAD_DEFAULT_SOCKET "/var/run/datadog/apm.socket"

struct upload_target {
	char base[UPLOAD_URL_MAX + 1];      /* "http://host:port", no user part, no slash at the end */
	char socket[UPLOAD_SOCKET_MAX + 1]; /* unix socket, base is then "http://localhost"; "": TCP */
	bool agentless;                     /* with an API key to the intake */
	bool loopback;                      /* this machine: a proxy is never asked */
};

/*
 * An Agent's address: http://, https:// or unix:// URL; host:port means http;
 * a leading '/' means a socket. The user part must have been taken out. 0, or
 * -EINVAL with what is wrong in @why.
 */
int upload_target_url(struct upload_target *t, const char *url, char *why, size_t why_len);

/* @host NULL or "": localhost; an IPv6 address may lack its brackets. @port 0: the default. As above. */
int upload_target_host(struct upload_target *t, const char *host, uint32_t port, char *why, size_t why_len);

/* The socket at @socket (NULL: UPLOAD_DEFAULT_SOCKET) if there is one, else http://localhost:8126. */
void upload_target_default(struct upload_target *t, const char *socket);

/*
 * The intake of @site (NULL: UPLOAD_DEFAULT_SITE), or at @url if that is not
 * NULL; without TLS only on this machine, as the API key goes with it. 0 or -EINVAL.
 */
int upload_target_agentless(struct upload_target *t, const char *site, const char *url, char *why,
			    size_t why_len);

/* Append the path of profiles. @out of UPLOAD_URL_MAX + 64 bytes. */
void upload_target_request_url(const struct upload_target *t, char *out);

/* For the user: "http://host:8126", "unix:///run/x.socket", "https://intake.profile.example.com". */
void upload_target_show(const struct upload_target *t, char *out, size_t len);

#endif
