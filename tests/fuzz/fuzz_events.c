/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_events.c - hostile lists of events, as a variable or a command line may hold them. */
#include "collect/event.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool true_of_all)
{
	if (!true_of_all)
		abort();
}

/* What is in a list can be planned, named and written into lines. */
static void check(const struct event_list *l)
{
	uint32_t i, k;

	must(l->n <= EVENT_MAX);
	for (i = 0; i < l->n; i++) {
		const struct event *e = &l->events[i];

		must(strlen(e->name) < EVENT_NAME_MAX && e->name[0]);
		for (k = 0; e->name[k]; k++)
			must((unsigned char)e->name[k] >= 0x20 && e->name[k] != 0x7f);
		must(!e->freq || !e->period);
		must(!e->freq || e->err || !event_counts_each(e));
		must(e->group <= l->groups);
		must(!e->err || e->refused);
	}
}

/* First byte: lenient or not; the rest in two halves, the second into the same list. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[4096], why[512];
	struct event_list l, other;
	size_t half;

	if (size < 1 || size > sizeof(text))
		return 0;
	event_list_init(&l);
	event_list_init(&other);
	l.lenient = other.lenient = data[0] & 1;
	half = (size - 1) / 2;
	memcpy(text, data + 1, half);
	text[half] = '\0';
	(void)event_list_parse(&l, text, why, sizeof(why));
	check(&l);
	memcpy(text, data + 1 + half, size - 1 - half);
	text[size - 1 - half] = '\0';
	(void)event_list_parse(&other, text, why, sizeof(why));
	check(&other);
	(void)event_list_move(&l, &other);
	(void)event_list_add_default(&l);
	check(&l);
	event_list_release(&l);
	event_list_release(&other);
	return 0;
}
