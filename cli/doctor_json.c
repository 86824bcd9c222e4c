/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_json.c - the rows for programs; the schema is in README ("ddprof doctor"). */
#include "cli/doctor.h"

#include "export/json.h"

#include <string.h>

static void put_check(struct json *j, const struct doctor_check *c)
{
	static const char *const sections[] = {"host", "target", "delivery"};
	static const char *const states[] = {"ok", "degraded", "missing"};

	json_object(j);
	json_field(j, "section", sections[c->section]);
	json_field(j, "key", c->key);
	json_field(j, "what", c->what);
	json_field(j, "state", states[c->state]);
	json_key(j, "optional");
	json_bool(j, c->optional);
	json_field(j, "reason", c->reason);
	json_field(j, "fix", c->fix);
	json_field(j, "meanwhile", c->meanwhile);
	json_close(j);
}

static void put_step(struct json *j, const struct ladder_step *s)
{
	const struct ladder_rung *r = &ladder_table[s->rung];

	json_object(j);
	json_field(j, "key", r->key);
	json_field(j, "wanted", r->wanted);
	json_field(j, "how", r->how);
	json_key(j, "granted");
	json_bool(j, !s->err);
	if (s->err) {
		json_field(j, "errno", strerrorname_np(-s->err));
		json_field(j, "instead", r->instead);
		json_field(j, "costs", r->costs);
	}
	json_close(j);
}

int doctor_json(const struct doctor *d, struct buf *out)
{
	int verdict = doctor_verdict(d), err;
	struct json j;
	unsigned rank;
	uint32_t i;

	json_init(&j, out);
	json_object(&j);
	json_field_u64(&j, "format", DOCTOR_FORMAT);
	json_field(&j, "version", DDPROF_VERSION);
	json_field(&j, "verdict",
		   verdict == EXIT_OK                ? "ok"
		   : verdict == DOCTOR_EXIT_DEGRADED ? "degraded"
						     : "nothing");
	json_field_u64(&j, "exit", (uint64_t)verdict);
	json_key(&j, "perf");
	json_bool(&j, d->perf);
	json_key(&j, "timers");
	json_bool(&j, d->timers && !d->no_timers);
	json_key(&j, "checks");
	json_array(&j);
	for (rank = 0; rank < 4; rank++)
		for (i = 0; i < d->n; i++)
			if (doctor_rank(&d->checks[i]) == rank)
				put_check(&j, &d->checks[i]);
	json_close(&j);
	json_key(&j, "ladder");
	json_array(&j);
	for (i = 0; i < d->ladder.n; i++)
		put_step(&j, &d->ladder.steps[i]);
	json_close(&j);
	json_close(&j);
	err = json_end(&j);
	(void)buf_put_str(out, "\n");
	return err ? err : out->error;
}
