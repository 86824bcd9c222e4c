/* SPDX-License-Identifier: Apache-2.0 */
/* upload.c - what an answer means, and when to try again. */
#include "export/upload.h"

#include "base/io.h"
#include "base/log.h"
#include "export/upload_curl.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define MS_NS             UINT64_C(1000000)
#define MIN_ATTEMPT_MS    1000u /* with less time than this left, another attempt would only be cut off */
#define RETRY_AFTER_MAX   3600  /* s: nobody stops us for longer */
#define FIRST_AGENT_MAJOR 7
#define FIRST_AGENT_MINOR 20

enum verdict { TAKEN, RETRY, NO_USE };

static volatile sig_atomic_t hurried;

void upload_hurry(void)
{
	hurried = 1;
}

bool upload_hurried(void)
{
	return hurried != 0;
}

bool upload_mark_duplicate(uint8_t *event, size_t len)
{
	static const char flag[] = UPLOAD_DUPLICATE_FLAG;
	uint8_t *at = memmem(event, len, flag, sizeof(flag) - 1);

	if (!at || (size_t)(event + len - at) < sizeof(flag) - 1 + 5)
		return false;
	at += sizeof(flag) - 1;
	if (memcmp(at, "false", 5) && memcmp(at, "true ", 5))
		return false;
	memcpy(at, "true ", 5);
	return true;
}

/* ---- time ---- */

static uint64_t now_ns(void)
{
	return io_clock_ns(CLOCK_MONOTONIC);
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	while (!hurried && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* Doubled each time up to the cap; half of it by chance, so that a fleet does not come back at once. */
static uint64_t backoff_ms(const struct upload_policy *p, uint32_t attempt)
{
	uint64_t pause = p->backoff_ms ? p->backoff_ms : UPLOAD_BACKOFF_MS, random = 0;
	uint64_t most = p->backoff_max_ms ? p->backoff_max_ms : UPLOAD_BACKOFF_MAX_MS;

	while (attempt-- > 1 && pause < most)
		pause *= 2;
	if (pause > most)
		pause = most;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = now_ns();
	return pause / 2 + random % (pause / 2 + 1);
}

/* ---- answers ---- */

static enum verdict judge(const struct upload_answer *a)
{
	if (a->status / 100 == 2)
		return TAKEN;
	if (a->no_use)
		return NO_USE;
	if (!a->status || a->status == 408 || a->status == 429 || a->status >= 500)
		return RETRY;
	return NO_USE;
}

/* No answer although all had gone out; or a gateway that got none from whom it had asked. */
static bool answer_lost(const struct upload_answer *a)
{
	return a->body_sent && (!a->status || a->status == 502 || a->status == 504);
}

static const char *meaning(long status, bool agentless)
{
	switch (status) {
	case 401:
	case 403:
		return agentless ? "the API key is refused\n  fix: check DD_API_KEY and DD_SITE"
				 : "refused\n  fix: check the Agent's API key";
	case 404:
		return agentless
			       ? "no intake is there\n  fix: check DD_SITE"
			       : "it takes no profiles\n  fix: update the Agent to 7.20 or later, or correct "
				 "--url";
	case 407:
		return "the proxy wants credentials\n  fix: http://USER:PASSWORD@HOST in the proxy variable";
	case 408:
		return "it did not get the profile in time";
	case 411:
	case 413:
		return "the profile is too large for it";
	case 429:
		return "too many profiles";
	default:
		return status / 100 == 3   ? "it answers with a redirect, which is not followed\n  fix: "
					     "give the address itself"
		       : status / 100 == 5 ? "it fails"
					   : "refused";
	}
}

static void explain(const struct upload_target *t, const struct secrets *secrets,
		    const struct upload_answer *a, struct upload_result *result)
{
	char shown[160], text[sizeof(a->error) + 1];

	upload_target_show(t, shown, sizeof(shown));
	snprintf(text, sizeof(text), "%s", a->error);
	secrets_mask(secrets, text);
	if (a->proxy_status)
		snprintf(result->why, sizeof(result->why), "the proxy to '%.60s' answered %ld: %s", shown,
			 a->proxy_status, meaning(a->proxy_status, t->agentless));
	else if (a->status)
		snprintf(result->why, sizeof(result->why), "'%.80s' answered %ld: %s", shown, a->status,
			 meaning(a->status, t->agentless));
	else
		snprintf(result->why, sizeof(result->why), "no answer from '%.60s': %.140s", shown, text);
}

/* ---- the loop ---- */

static void attempt_once(struct upload_client *client, const struct upload_policy *policy,
			 uint64_t deadline_ns, struct upload_answer *answer)
{
	uint64_t now = now_ns(), timeout = policy->timeout_ms ? policy->timeout_ms : UPLOAD_TIMEOUT_MS;

	if (policy->deadline_ms && (deadline_ns <= now || (deadline_ns - now) / MS_NS < timeout))
		timeout = deadline_ns > now ? (deadline_ns - now) / MS_NS : 0;
	if (timeout < 1)
		timeout = 1; /* 0 would mean none */
	upload_client_perform(client, (uint32_t)timeout, answer);
}

/* When to try again after attempt @n; 0: not within what is allowed. */
static uint64_t next_attempt(const struct upload_policy *p, uint32_t n, const struct upload_answer *a,
			     uint64_t deadline_ns, struct upload_result *result)
{
	uint64_t now = now_ns(), at = now + backoff_ms(p, n) * MS_NS;
	int64_t after = a->retry_after_s < RETRY_AFTER_MAX ? a->retry_after_s : RETRY_AFTER_MAX;
	uint64_t least = p->timeout_ms && p->timeout_ms < MIN_ATTEMPT_MS ? p->timeout_ms : MIN_ATTEMPT_MS;

	result->not_before_ns = after > 0 ? now + (uint64_t)after * 1000u * MS_NS : 0;
	if (at < result->not_before_ns)
		at = result->not_before_ns;
	if (!p->deadline_ms || (p->max_attempts && n >= p->max_attempts) || at + least * MS_NS > deadline_ns)
		return 0;
	return at;
}

static void try_all(struct upload_client *client, const struct upload_target *target,
		    const struct secrets *secrets, struct upload_request *req,
		    const struct upload_policy *policy, uint64_t deadline_ns, struct upload_answer *answer,
		    struct upload_result *result)
{
	uint64_t at = policy->not_before_ns;
	enum verdict verdict = RETRY;
	bool last = false;

	while (verdict == RETRY && !last && (at || !result->attempts)) {
		if (at)
			sleep_until(at);
		last = hurried;
		attempt_once(client, policy, deadline_ns, answer);
		result->attempts++;
		result->status = (uint32_t)answer->status;
		verdict = judge(answer);
		if (verdict == TAKEN)
			break;
		explain(target, secrets, answer, result);
		log_debug("upload attempt %u: %s", result->attempts, result->why);
		if (answer_lost(answer) && upload_mark_duplicate(req->event, req->event_len))
			result->duplicate = true;
		at = verdict == RETRY ? next_attempt(policy, result->attempts, answer, deadline_ns, result)
				      : 0;
	}
	if (verdict == TAKEN) {
		result->why[0] = '\0';
		result->not_before_ns = 0;
	}
	result->end = verdict == TAKEN    ? UPLOAD_DELIVERED
		      : verdict == NO_USE ? UPLOAD_REFUSED
					  : UPLOAD_GAVE_UP;
}

int upload_send(const struct upload_target *target, const struct secrets *secrets,
		const struct identity *identity, struct upload_request *req,
		const struct upload_policy *policy, struct upload_result *result)
{
	uint64_t begin = now_ns(), deadline_ns = begin + policy->deadline_ms * MS_NS;
	struct upload_client *client = NULL;
	struct upload_answer *answer;
	int err;

	*result = (struct upload_result){.end = UPLOAD_GAVE_UP};
	if (policy->not_before_ns > deadline_ns) {
		result->not_before_ns = policy->not_before_ns;
		snprintf(result->why, sizeof(result->why), "it asked to be left alone for another %llu s",
			 (unsigned long long)((policy->not_before_ns - begin) / 1000000000u + 1));
		return -EAGAIN;
	}
	answer = malloc(sizeof(*answer));
	err = answer ? upload_client_new(&client, target, secrets, identity, req, result->why,
					 sizeof(result->why))
		     : -ENOMEM;
	if (err) {
		result->end = UPLOAD_REFUSED;
		goto done;
	}
	try_all(client, target, secrets, req, policy, deadline_ns, answer, result);
	err = result->end == UPLOAD_DELIVERED ? 0 : result->end == UPLOAD_REFUSED ? -EACCES : -EAGAIN;
done:
	upload_client_free(client);
	free(answer);
	return err;
}

/* ---- asking the Agent about itself ---- */

/* "version": "7.50.3" in the Agent's own words. */
static bool agent_version(const char *info, unsigned *major, unsigned *minor)
{
	const char *at = strstr(info, "\"version\"");

	if (!at)
		return false;
	at += strlen("\"version\"");
	at += strspn(at, " \t\r\n:");
	return sscanf(at, "\"%4u.%4u", major, minor) == 2;
}

static void describe_info(const struct upload_answer *a, const char *shown, char *text, size_t len)
{
	unsigned major = 0, minor = 0;
	bool known = agent_version(a->body, &major, &minor);
	const char *profiles = strstr(a->body, "/profiling/v1/input")
				       ? ", takes profiles"
				       : ", does not list the profile endpoint";

	if (a->status == 404)
		snprintf(text, len, "'%s' answers, but not /info: an Agent before 7.28, or something else",
			 shown);
	else if (a->status != 200)
		snprintf(text, len, "'%s' answers /info with %ld", shown, a->status);
	else if (known &&
		 (major < FIRST_AGENT_MAJOR || (major == FIRST_AGENT_MAJOR && minor < FIRST_AGENT_MINOR)))
		snprintf(text, len, "'%s' is an Agent %u.%u, too old: profiles take 7.20", shown, major,
			 minor);
	else if (known)
		snprintf(text, len, "'%s' is an Agent %u.%u%s", shown, major, minor, profiles);
	else
		snprintf(text, len, "'%s' answers, version unknown%s", shown, profiles);
}

int upload_probe(const struct upload_target *target, const struct secrets *secrets, uint32_t timeout_ms,
		 char *text, size_t len)
{
	struct upload_client *client = NULL;
	struct upload_answer *answer = malloc(sizeof(*answer));
	struct upload_result failed = {0};
	char shown[160];
	int err;

	if (target->agentless || !answer) {
		snprintf(text, len, "the intake has no such question");
		free(answer);
		return -ENOTSUP;
	}
	upload_target_show(target, shown, sizeof(shown));
	err = upload_client_new(&client, target, secrets, NULL, NULL, text, len);
	if (!err) {
		upload_client_perform(client, timeout_ms, answer);
		if (answer->status) {
			describe_info(answer, shown, text, len);
		} else {
			explain(target, secrets, answer, &failed);
			snprintf(text, len, "%s", failed.why);
			err = -EAGAIN;
		}
	}
	upload_client_free(client);
	free(answer);
	return err;
}
