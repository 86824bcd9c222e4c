/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_facts.c - texts of the profiled process and of the user: tracer's description, command line,
 * control groups, addresses, tags; what comes out is JSON whatever went in.
 */
#include "export/facts.h"
#include "export/identity.h"
#include "export/json.h"
#include "export/mask.h"
#include "export/msgpack.h"
#include "export/secrets.h"
#include "export/upload_tags.h"
#include "export/upload_target.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(const char *key, size_t key_len, const char *value, size_t value_len, void *arg)
{
	json_str_len(arg, key, key_len);
	json_str_len(arg, value, value_len);
}

static void as_text(char *text, struct json *j)
{
	struct upload_target target;
	char id[80], why[256];
	struct tags tags;

	tags_init(&tags);
	(void)identity_container_id(text, id);
	(void)tags_parse(&tags, text, NULL, NULL);
	(void)upload_tags_clean(&tags, "clean", text);
	tags_release(&tags);
	if (!upload_target_url(&target, text, why, sizeof(why)) && strchr(target.base, '@'))
		abort();
	secrets_mask(NULL, text);
	(void)secrets_take_user(NULL, text);
	json_str(j, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), shown[512];
	struct json j;
	struct buf b;

	if (!text)
		return 0;
	buf_init(&b, 1u << 20);
	json_init(&j, &b);
	json_array(&j);
	(void)msgpack_strings(data, size, take, &j);
	mask_command((const char *)data, size, shown, sizeof(shown));
	json_str(&j, shown);
	memcpy(text, data, size);
	text[size] = '\0';
	(void)facts_variable(text, size, "DD_ENV");
	as_text(text, &j);
	json_close(&j);
	if (json_end(&j) && !b.error)
		abort();
	buf_release(&b);
	free(text);
	return 0;
}
