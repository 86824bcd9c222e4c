/* SPDX-License-Identifier: Apache-2.0 */
/* upload_target.c - see upload_target.h. */
#include "export/upload_target.h"

#include "base/why.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define AGENT_PATH  "/profiling/v1/input"
#define INTAKE_PATH "/api/v2/profile"

static bool host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_';
}

/* Is @host (no brackets) this very machine? */
static bool is_loopback(const char *host)
{
	size_t len = strlen(host);
	struct in6_addr a6;
	struct in_addr a;

	if (len && host[len - 1] == '.')
		len--;
	if ((len == 9 && !strncasecmp(host, "localhost", 9)) ||
	    (len > 10 && !strncasecmp(host + len - 10, ".localhost", 10)))
		return true;
	/* also "127.1" and other ways to write it that resolvers know */
	if (inet_aton(host, &a))
		return (ntohl(a.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, host, &a6) == 1 &&
	       (IN6_IS_ADDR_LOOPBACK(&a6) || (IN6_IS_ADDR_V4MAPPED(&a6) && a6.s6_addr[12] == 127));
}

/* "host", "host:port", "[::1]:port" at @s, ended by NUL or '/': its length, @host of 256 bytes. 0: none such.
 */
static size_t parse_authority(const char *s, char *host)
{
	size_t i = 0, n = 0, digits;
	struct in6_addr a6;
	unsigned long port;
	bool v6 = *s == '[';

	for (i = v6; s[i] && n < 255 && (v6 ? s[i] != ']' : host_char(s[i])); i++)
		host[n++] = s[i];
	host[n] = '\0';
	if (!n || (v6 && (s[i] != ']' || inet_pton(AF_INET6, host, &a6) != 1)))
		return 0;
	i += v6;
	if (s[i] == ':') {
		digits = strspn(s + i + 1, "0123456789");
		port = digits && digits < 6 ? strtoul(s + i + 1, NULL, 10) : 0;
		if (!port || port > 65535)
			return 0;
		i += 1 + digits;
	}
	return s[i] && s[i] != '/' ? 0 : i;
}

static int set_socket(struct upload_target *t, const char *path, char *why, size_t why_len)
{
	if (*path != '/' || !path[1])
		return why_fail(-EINVAL, why, why_len, "'%.200s' is not the absolute path of a socket", path);
	if (strlen(path) > UPLOAD_SOCKET_MAX)
		return why_fail(-EINVAL, why, why_len, "the socket's path is longer than %d bytes",
				UPLOAD_SOCKET_MAX);
	memcpy(t->socket, path, strlen(path) + 1);
	memcpy(t->base, "http://localhost", sizeof("http://localhost"));
	t->loopback = true;
	return 0;
}

int upload_target_url(struct upload_target *t, const char *url, char *why, size_t why_len)
{
	struct upload_target new = {.base = ""};
	const char *scheme = "http", *rest = url;
	size_t n, i, len;
	char host[256];
	int err;

	for (i = 0; url[i]; i++)
		if ((unsigned char)url[i] <= ' ' || url[i] == 0x7f || url[i] == '@' || i == UPLOAD_URL_MAX)
			return why_fail(-EINVAL, why, why_len,
					"it is too long or has characters that no URL has");
	if (*url == '/' || !strncasecmp(url, "unix://", 7)) {
		err = set_socket(&new, *url == '/' ? url : url + 7, why, why_len);
		if (!err)
			*t = new;
		return err;
	}
	if (!strncasecmp(url, "http://", 7)) {
		rest = url + 7;
	} else if (!strncasecmp(url, "https://", 8)) {
		scheme = "https";
		rest = url + 8;
	} else if (strstr(url, "://")) {
		return why_fail(-EINVAL, why, why_len, "its scheme is none of http://, https:// and unix://");
	}
	n = parse_authority(rest, host);
	if (!n)
		return why_fail(-EINVAL, why, why_len, "it names no host, or no port of 1 to 65535");
	if (strpbrk(rest + n, "?#"))
		return why_fail(-EINVAL, why, why_len, "it has a query");
	len = (size_t)snprintf(new.base, sizeof(new.base), "%s://%s", scheme, rest);
	if (len >= sizeof(new.base))
		return why_fail(-EINVAL, why, why_len, "it is longer than %d bytes", UPLOAD_URL_MAX);
	if (new.base[len - 1] == '/')
		new.base[len - 1] = '\0';
	new.loopback = is_loopback(host);
	*t = new;
	return 0;
}

int upload_target_host(struct upload_target *t, const char *host, uint32_t port, char *why, size_t why_len)
{
	char url[300];
	int n;

	if (!host || !*host)
		host = "localhost";
	if (!port)
		port = UPLOAD_DEFAULT_PORT;
	n = snprintf(url, sizeof(url), strchr(host, ':') && *host != '[' ? "http://[%s]:%u" : "http://%s:%u",
		     host, port);
	if (n < 0 || (size_t)n >= sizeof(url) || strchr(host, '/'))
		return why_fail(-EINVAL, why, why_len, "'%.100s' is not the name of a host", host);
	return upload_target_url(t, url, why, why_len);
}

void upload_target_default(struct upload_target *t, const char *socket)
{
	struct stat st;
	char why[8];

	*t = (struct upload_target){.base = ""};
	if (!socket)
		socket = UPLOAD_DEFAULT_SOCKET;
	if (stat(socket, &st) || !S_ISSOCK(st.st_mode) || set_socket(t, socket, why, sizeof(why)))
		(void)upload_target_host(t, NULL, 0, why, sizeof(why));
}

int upload_target_agentless(struct upload_target *t, const char *site, const char *url, char *why,
			    size_t why_len)
{
	struct upload_target new;
	char address[UPLOAD_URL_MAX];
	size_t i;
	int err;

	if (!site || !*site)
		site = UPLOAD_DEFAULT_SITE;
	for (i = 0; site[i]; i++)
		if (!host_char(site[i]) || i == 200)
			return why_fail(-EINVAL, why, why_len, "'%.200s' is not the name of a site", site);
	if (!url) {
		snprintf(address, sizeof(address), "https://intake.profile.%s", site);
		url = address;
	}
	err = upload_target_url(&new, url, why, why_len);
	if (err)
		return err;
	if (!new.loopback && strncmp(new.base, "https://", 8))
		return why_fail(-EINVAL, why, why_len, "an API key goes to another machine only by https://");
	new.agentless = true;
	*t = new;
	return 0;
}

void upload_target_request_url(const struct upload_target *t, char *out)
{
	snprintf(out, UPLOAD_URL_MAX + 64, "%s%s", t->base, t->agentless ? INTAKE_PATH : AGENT_PATH);
}

void upload_target_show(const struct upload_target *t, char *out, size_t len)
{
	if (*t->socket)
		snprintf(out, len, "unix://%s", t->socket);
	else
		snprintf(out, len, "%s", t->base);
}
