/* SPDX-License-Identifier: Apache-2.0 */
/* test_upload.c - addresses, secrets, and the texts that go out with a profile. */
#include "export/event_json.h"
#include "export/json.h"
#include "export/mask.h"
#include "export/secrets.h"
#include "export/upload.h"
#include "export/upload_tags.h"
#include "export/upload_target.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- addresses ---- */

struct address {
	const char *given, *request, *socket; /* request NULL: refused */
	bool loopback;
};

static void agent_addresses_are_read_as_other_clients_read_them(void **state)
{
	static const struct address all[] = {
		{"http://agent:8126", "http://agent:8126/profiling/v1/input", "", false},
		{"http://agent:8126/", "http://agent:8126/profiling/v1/input", "", false},
		{"http://agent/prefix/", "http://agent/prefix/profiling/v1/input", "", false},
		{"https://10.0.0.1:443", "https://10.0.0.1:443/profiling/v1/input", "", false},
		{"agent:8126", "http://agent:8126/profiling/v1/input", "", false},
		{"HTTP://Agent", "http://Agent/profiling/v1/input", "", false},
		{"localhost:1", "http://localhost:1/profiling/v1/input", "", true},
		{"http://127.9.9.9", "http://127.9.9.9/profiling/v1/input", "", true},
		{"http://127.1:80", "http://127.1:80/profiling/v1/input", "", true},
		{"http://[::1]:8126", "http://[::1]:8126/profiling/v1/input", "", true},
		{"http://[2001:db8::1]:8126", "http://[2001:db8::1]:8126/profiling/v1/input", "", false},
		{"http://a.localhost", "http://a.localhost/profiling/v1/input", "", true},
		{"http://localhost.example.com", "http://localhost.example.com/profiling/v1/input", "",
		 false},
		{"unix:///var/run/x.socket", "http://localhost/profiling/v1/input", "/var/run/x.socket",
		 true},
		{"/var/run/x.socket", "http://localhost/profiling/v1/input", "/var/run/x.socket", true},
		{"ftp://agent", NULL, NULL, false},
		{"http://", NULL, NULL, false},
		{"http://agent:0", NULL, NULL, false},
		{"http://agent:65536", NULL, NULL, false},
		{"http://agent:x", NULL, NULL, false},
		{"http://u@agent", NULL, NULL, false},
		{"http://agent/?q", NULL, NULL, false},
		{"http://agent/a b", NULL, NULL, false},
		{"http://agent\r\nX: y", NULL, NULL, false},
		{"http://[::1", NULL, NULL, false},
		{"http://[nonsense]", NULL, NULL, false},
		{"unix://relative", NULL, NULL, false},
		{"", NULL, NULL, false},
	};
	char request[UPLOAD_URL_MAX + 64], why[256];
	struct upload_target t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		int err = upload_target_url(&t, all[i].given, why, sizeof(why));

		if (!all[i].request) {
			assert_int_equal(err, -EINVAL);
			assert_true(strlen(why) > 5);
			continue;
		}
		assert_int_equal(err, 0);
		upload_target_request_url(&t, request);
		assert_string_equal(request, all[i].request);
		assert_string_equal(t.socket, all[i].socket);
		assert_int_equal(t.loopback, all[i].loopback);
		assert_false(t.agentless);
	}
}

static void too_long_addresses_are_refused_not_cut(void **state)
{
	char url[UPLOAD_URL_MAX + 64], why[256];
	struct upload_target t = {.base = "untouched"};

	(void)state;
	memset(url, 'a', sizeof(url));
	memcpy(url, "http://", 7);
	url[sizeof(url) - 1] = '\0';
	assert_int_equal(upload_target_url(&t, url, why, sizeof(why)), -EINVAL);
	url[0] = '/';
	url[UPLOAD_SOCKET_MAX + 1] = '\0';
	assert_int_equal(upload_target_url(&t, url, why, sizeof(why)), -EINVAL);
	assert_string_equal(t.base, "untouched");
	url[UPLOAD_SOCKET_MAX] = '\0';
	assert_int_equal(upload_target_url(&t, url, why, sizeof(why)), 0);
	assert_string_equal(t.socket, url);
}

static void hosts_ports_and_sites(void **state)
{
	struct upload_target t;
	char why[256], shown[256];

	(void)state;
	assert_int_equal(upload_target_host(&t, NULL, 0, why, sizeof(why)), 0);
	assert_string_equal(t.base, "http://localhost:8126");
	assert_int_equal(upload_target_host(&t, "::1", 99, why, sizeof(why)), 0);
	assert_string_equal(t.base, "http://[::1]:99");
	assert_int_equal(upload_target_host(&t, "a/b", 0, why, sizeof(why)), -EINVAL);
	assert_int_equal(upload_target_agentless(&t, NULL, NULL, why, sizeof(why)), 0);
	upload_target_show(&t, shown, sizeof(shown));
	assert_string_equal(shown, "https://intake.profile.datadoghq.com");
	assert_true(t.agentless);
	assert_int_equal(upload_target_agentless(&t, "datadoghq.eu", NULL, why, sizeof(why)), 0);
	assert_string_equal(t.base, "https://intake.profile.datadoghq.eu");
	assert_int_equal(upload_target_agentless(&t, "evil.com/x", NULL, why, sizeof(why)), -EINVAL);
	assert_int_equal(upload_target_agentless(&t, NULL, "http://other", why, sizeof(why)), -EINVAL);
	assert_int_equal(upload_target_agentless(&t, NULL, "http://127.0.0.1:1", why, sizeof(why)), 0);
}

static void the_default_is_the_socket_only_if_there_is_one(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/test_upload.XXXXXX";
	struct upload_target t;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", dir);
	upload_target_default(&t, a.sun_path);
	assert_string_equal(t.base, "http://localhost:8126");
	assert_string_equal(t.socket, "");
	f = fopen(a.sun_path, "w"); /* a plain file is none */
	fclose(f);
	upload_target_default(&t, a.sun_path);
	assert_string_equal(t.socket, "");
	unlink(a.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	upload_target_default(&t, a.sun_path);
	assert_string_equal(t.socket, a.sun_path);
	close(fd);
	unlink(a.sun_path);
	rmdir(dir);
}

/* ---- secrets ---- */

static void secrets_are_masked_wherever_they_stand(void **state)
{
	struct secrets *s = secrets_new();
	char text[200];

	(void)state;
	assert_int_equal(secrets_set_key(s, "0123456789abcdef"), 0);
	strcpy(text, "http://me:p@ss/word@host/x");
	assert_int_equal(secrets_take_user(NULL, text), 0);
	strcpy(text, "http://me:pass@word@host/x");
	assert_int_equal(secrets_take_user(s, text), 0);
	assert_string_equal(text, "http://host/x");
	assert_string_equal(s->url_user, "me:pass@word");
	strcpy(text, "key 0123456789abcdef, again 0123456789abcdef; pass@word; http://u:v@w/");
	secrets_mask(s, text);
	assert_string_equal(text, "key ***, again ***; ***; http://***@w/");
	strcpy(text, "host:1");
	assert_int_equal(secrets_take_user(s, text), 0);
	assert_string_equal(s->url_user, "");
	strcpy(text, "u:p@host:1");
	assert_int_equal(secrets_take_user(s, text), 0);
	assert_string_equal(text, "host:1");
	assert_string_equal(s->url_user, "u:p");
	secrets_free(s);
}

static void what_would_break_a_header_line_is_no_key(void **state)
{
	struct secrets *s = secrets_new();
	char longest[SECRETS_KEY_MAX + 2];

	(void)state;
	memset(longest, 'k', sizeof(longest));
	longest[SECRETS_KEY_MAX + 1] = '\0';
	assert_int_equal(secrets_set_key(s, longest), -EINVAL);
	assert_int_equal(secrets_set_key(s, ""), -EINVAL);
	assert_int_equal(secrets_set_key(s, "a b"), -EINVAL);
	assert_int_equal(secrets_set_key(s, "a\r\nX: y"), -EINVAL);
	assert_string_equal(s->api_key, "");
	longest[SECRETS_KEY_MAX] = '\0';
	assert_int_equal(secrets_set_key(s, longest), 0);
	secrets_free(s);
}

static void children_find_no_secret(void **state)
{
	struct secrets *s = secrets_new();
	int status;
	pid_t pid;

	(void)state;
	setenv("DD_API_KEY", "0123456789abcdef", 1);
	assert_int_equal(secrets_set_key(s, "0123456789abcdef"), 0);
	strcpy(s->url_user, "me:pass");
	secrets_keep_from_children(s);
	pid = fork();
	if (!pid)
		_exit(s->api_key[0] || s->api_key[5] || s->url_user[0] ||
		      strcmp(getenv("DD_API_KEY"), "xxxxxxxxxxxxxxxx"));
	assert_true(waitpid(pid, &status, 0) == pid && status == 0);
	assert_string_equal(s->api_key, "0123456789abcdef");
	unsetenv("DD_API_KEY");
	secrets_free(s);
}

#define COMMAND(text) text, sizeof(text)

static void command_lines_lose_their_secrets_only(void **state)
{
	static const struct {
		const char *args;
		size_t len;
		const char *shown;
	} all[] = {
		{COMMAND("app\0--port=80\0-v"), "app --port=80 -v"},
		{COMMAND("app\0--password=x\0--token\0y\0z"), "app --password=*** --token *** z"},
		{COMMAND("app\0--token\0--verbose"), "app --token --verbose"},
		{COMMAND("app\0AWS_SECRET_ACCESS_KEY=a/b+c"), "app AWS_SECRET_ACCESS_KEY=***"},
		{COMMAND("curl\0-H\0Authorization: Bearer abc"), "curl -H Authorization: ***"},
		{COMMAND("psql\0postgres://u:p@h/db"), "psql postgres://***@h/db"},
		{COMMAND("x\0eyJhbGciOiJIUzI1NiJ9eyJzdWIiOiIxMjM0"), "x ***"},
		{COMMAND("x\0--id=d41d8cd98f00b204e9800998ecf8427e"), "x --id=***"},
		{COMMAND("/usr/lib/jvm/java-17/bin/java\0-Xmx512m\0-jar\0app-1.2.3.jar"),
		 "/usr/lib/jvm/java-17/bin/java -Xmx512m -jar app-1.2.3.jar"},
		{COMMAND("vim\0--keyboard=de\0--author=me"), "vim --keyboard=de --author=me"},
		{COMMAND("x\0\0y"), "x  y"},
	};
	char out[256], small[8];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		mask_command(all[i].args, all[i].len - 1, out, sizeof(out));
		assert_string_equal(out, all[i].shown);
		mask_command(all[i].args, all[i].len - 1, small, sizeof(small));
		assert_memory_equal(small, all[i].shown, strlen(small));
	}
	mask_command(NULL, 0, out, sizeof(out));
	assert_string_equal(out, "");
}

/* ---- JSON ---- */

static const char *text_of(struct buf *b)
{
	assert_int_equal(buf_put_u8(b, 0), 0);
	return (const char *)b->data;
}

static void json_is_escaped_and_valid(void **state)
{
	struct json j;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	json_init(&j, &b);
	json_object(&j);
	json_field(&j, "a\"b", "\\ \n\x01\x7f\xff\xc3\xa9 \xed\xa0\x80");
	json_field(&j, "left out", "");
	json_key(&j, "list");
	json_array(&j);
	json_u64(&j, UINT64_MAX);
	json_bool(&j, false);
	json_null(&j);
	json_object(&j);
	json_close(&j);
	json_close(&j);
	assert_int_equal(json_end(&j), -EINVAL); /* still open */
	json_close(&j);
	assert_int_equal(json_end(&j), 0);
	assert_string_equal(text_of(&b), "{\"a\\\"b\":\"\\\\ \\n\\u0001\\u007f\xef\xbf\xbd\xc3\xa9 "
					 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
					 "\"list\":[18446744073709551615,false,null,{}]}");
	buf_release(&b);
}

static void json_that_does_not_fit_is_an_error(void **state)
{
	struct json j;
	struct buf b;
	unsigned i;

	(void)state;
	buf_init(&b, 16);
	json_init(&j, &b);
	json_str(&j, "longer than sixteen bytes");
	assert_int_equal(json_end(&j), -E2BIG);
	buf_release(&b);
	buf_init(&b, 4096);
	json_init(&j, &b);
	for (i = 0; i < JSON_MAX_DEPTH + 4; i++)
		json_array(&j);
	assert_int_equal(json_end(&j), -EINVAL);
	buf_release(&b);
}

static void times_are_utc_with_nanoseconds(void **state)
{
	char text[31];

	(void)state;
	setenv("TZ", "America/New_York", 1);
	event_time(1700000000123456789u, text);
	assert_string_equal(text, "2023-11-14T22:13:20.123456789Z");
	event_time(UINT64_MAX, text);
	assert_int_equal(strlen(text), 30);
	unsetenv("TZ");
}

static struct upload_event plain_event(const struct tags *tags, const struct facts *f,
				       const struct runtime *r, const struct profile_quality *q)
{
	return (struct upload_event){
		.start_ns = 5, .end_ns = 5, .tags = tags, .facts = f, .runtime = r, .quality = q};
}

static void the_flag_is_set_in_place_and_cannot_be_forged(void **state)
{
	static struct facts f;
	struct runtime r = {.runtime = "native"};
	struct profile_quality q = {0};
	struct tags tags;
	struct upload_event e = plain_event(&tags, &f, &r, &q);
	struct buf b;
	size_t len;

	(void)state;
	facts_init(&f);
	strcpy(f.command, "x \"possibly-duplicate\":false");
	tags_init(&tags);
	buf_init(&b, EVENT_JSON_MAX);
	assert_int_equal(event_json(&e, &b), 0);
	len = b.len;
	assert_true(upload_mark_duplicate(b.data, b.len));
	assert_true(upload_mark_duplicate(b.data, b.len)); /* again is no error */
	assert_int_equal(b.len, len);
	text_of(&b);
	assert_non_null(strstr((char *)b.data, "\"internal\":{\"possibly-duplicate\":true ,"));
	assert_non_null(strstr((char *)b.data, "x \\\"possibly-duplicate\\\":false"));
	assert_false(upload_mark_duplicate((uint8_t[]){"{}"}, 2));
	assert_false(upload_mark_duplicate((uint8_t[]){"\"possibly-duplicate\":fal"}, 24));
	buf_release(&b);
}

static void an_event_without_length_lasts_a_nanosecond(void **state)
{
	static struct facts f;
	struct runtime r = {.runtime = "native"};
	struct profile_quality q = {0};
	struct tags tags;
	struct upload_event e = plain_event(&tags, &f, &r, &q);
	struct buf b;

	(void)state;
	facts_init(&f);
	tags_init(&tags);
	buf_init(&b, EVENT_JSON_MAX);
	assert_int_equal(event_json(&e, &b), 0);
	assert_non_null(strstr(text_of(&b), "\"start\":\"1970-01-01T00:00:00.000000005Z\",\"end\":"
					    "\"1970-01-01T00:00:00.000000006Z\""));
	buf_release(&b);
}

/* ---- tags ---- */

static void users_tags_never_take_the_place_of_the_identity(void **state)
{
	static struct facts f;
	struct upload_target t = {.agentless = false};
	struct upload_job job = {.target = &t,
				 .facts = &f,
				 .program = "my program",
				 .runtime_id = "01234567-89ab-4cde-8f01-23456789abcd"};
	struct runtime r = {.language = "go", .runtime = "Go", .version = "1.26"};
	struct tags user, out;
	char key[16];
	int i;

	(void)state;
	facts_init(&f);
	f.pid = 42;
	tags_init(&user);
	tags_init(&out);
	for (i = 0; i < TAGS_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(tags_set(&user, key, "v"), 0);
	}
	assert_int_equal(upload_tags(&out, &user, &job, &r, 7), 0);
	assert_string_equal(tags_get(&out, "profile_seq"), "7");
	assert_string_equal(tags_get(&out, "process_id"), "42");
	assert_int_equal(out.n, TAGS_MAX);
	tags_release(&out);
	tags_release(&user);
	tags_init(&user);
	assert_int_equal(tags_set(&user, "runtime-id", "forged"), 0);
	assert_int_equal(tags_set(&user, "language", "mine"), 0);
	assert_int_equal(upload_tags(&out, &user, &job, &r, 7), 0);
	assert_string_equal(tags_get(&out, "runtime-id"), job.runtime_id);
	assert_string_equal(tags_get(&out, "language"), "mine");
	assert_string_equal(tags_get(&out, "service"), "my_program");
	assert_null(tags_get(&out, "host")); /* an Agent adds its own */
	tags_release(&out);
	t.agentless = true;
	assert_int_equal(upload_tags(&out, &user, &job, &r, 7), 0);
	assert_non_null(tags_get(&out, "host"));
	tags_release(&out);
	tags_release(&user);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agent_addresses_are_read_as_other_clients_read_them),
		cmocka_unit_test(too_long_addresses_are_refused_not_cut),
		cmocka_unit_test(hosts_ports_and_sites),
		cmocka_unit_test(the_default_is_the_socket_only_if_there_is_one),
		cmocka_unit_test(secrets_are_masked_wherever_they_stand),
		cmocka_unit_test(what_would_break_a_header_line_is_no_key),
		cmocka_unit_test(children_find_no_secret),
		cmocka_unit_test(command_lines_lose_their_secrets_only),
		cmocka_unit_test(json_is_escaped_and_valid),
		cmocka_unit_test(json_that_does_not_fit_is_an_error),
		cmocka_unit_test(times_are_utc_with_nanoseconds),
		cmocka_unit_test(the_flag_is_set_in_place_and_cannot_be_forged),
		cmocka_unit_test(an_event_without_length_lasts_a_nanosecond),
		cmocka_unit_test(users_tags_never_take_the_place_of_the_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
