/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - the list of events, and the words that name some of them.
 *
 * To give an event a name of our own, add a row to the table.
 */
#include "collect/event_private.h"

#include "base/nearest.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SW PERF_TYPE_SOFTWARE
#define HW PERF_TYPE_HARDWARE

/*
 * The kernel's generic events. Their second names are those of the former
 * ddprof (its documentation, docs/Commands.md), case and all. Asked before
 * libpfm4, which knows most of the first column but not what a clock measures.
 */
static const struct word {
	const char *name, *former, *former2;
	uint32_t type;
	uint64_t config;
} words[] = {
	{"task-clock", "sCPU", NULL, SW, PERF_COUNT_SW_TASK_CLOCK},
	{"cpu-clock", NULL, NULL, SW, PERF_COUNT_SW_CPU_CLOCK},
	{"page-faults", "sPF", "faults", SW, PERF_COUNT_SW_PAGE_FAULTS},
	{"minor-faults", "sPFMIN", NULL, SW, PERF_COUNT_SW_PAGE_FAULTS_MIN},
	{"major-faults", "sPFMAJ", NULL, SW, PERF_COUNT_SW_PAGE_FAULTS_MAJ},
	{"context-switches", "sCS", "sCI", SW, PERF_COUNT_SW_CONTEXT_SWITCHES},
	{"cpu-migrations", "sMig", "migrations", SW, PERF_COUNT_SW_CPU_MIGRATIONS},
	{"alignment-faults", "sALGN", NULL, SW, PERF_COUNT_SW_ALIGNMENT_FAULTS},
	{"emulation-faults", "sEMU", NULL, SW, PERF_COUNT_SW_EMULATION_FAULTS},
	{"cpu-cycles", "hCPU", NULL, HW, PERF_COUNT_HW_CPU_CYCLES},
	{"cycles", NULL, NULL, HW, PERF_COUNT_HW_CPU_CYCLES},
	{"instructions", "hINST", "hINSTR", HW, PERF_COUNT_HW_INSTRUCTIONS},
	{"ref-cycles", "hREF", NULL, HW, PERF_COUNT_HW_REF_CPU_CYCLES},
	{"cache-references", "hCREF", NULL, HW, PERF_COUNT_HW_CACHE_REFERENCES},
	{"cache-misses", "hCMISS", NULL, HW, PERF_COUNT_HW_CACHE_MISSES},
	{"branches", "hBRANCH", "branch-instructions", HW, PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
	{"branch-misses", "hBMISS", NULL, HW, PERF_COUNT_HW_BRANCH_MISSES},
	{"bus-cycles", "hBUS", NULL, HW, PERF_COUNT_HW_BUS_CYCLES},
	{"stalled-cycles-frontend", "hBSTF", NULL, HW, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND},
	{"stalled-cycles-backend", "hBSTB", NULL, HW, PERF_COUNT_HW_STALLED_CYCLES_BACKEND},
};

/* What the former ddprof called an event although no perf event stands behind it. */
static const struct {
	const char *name, *what;
} foreign[] = {
	{"sALLOC", "allocations"},  {"tALLOCSYS1", "allocations"}, {"tALLOCSYS2", "allocations"},
	{"bMalloc", "allocations"}, {"sWALL", "wall-clock time"},  {"sDUM", "nothing"},
};

void event_list_init(struct event_list *l)
{
	*l = (struct event_list){0};
}

void event_list_release(struct event_list *l)
{
	uint32_t i;

	for (i = 0; i < l->n; i++)
		event_release(&l->events[i]);
	free(l->events);
	event_list_init(l);
}

void event_release(struct event *ev)
{
	free(ev->path);
	free(ev->cpus);
	free(ev->refused);
}

static bool has_name(const struct event_list *l, const char *name)
{
	uint32_t i;

	for (i = 0; i < l->n && strcmp(l->events[i].name, name); i++)
		;
	return i < l->n;
}

int event_list_move(struct event_list *to, struct event_list *from)
{
	struct event *grown;
	uint32_t i;

	if (to->n + from->n > EVENT_MAX)
		return -E2BIG;
	grown = realloc(to->events, ((size_t)to->n + from->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	to->events = grown;
	for (i = 0; i < from->n; i++) {
		struct event *ev = &from->events[i];

		if (ev->group)
			ev->group += to->groups;
		if (has_name(to, ev->name))
			event_release(ev);
		else
			to->events[to->n++] = *ev;
	}
	to->groups += from->groups;
	free(from->events);
	from->events = NULL;
	from->n = from->groups = 0;
	return 0;
}

int event_list_add_default(struct event_list *l)
{
	struct event *grown;
	uint32_t i;

	for (i = 0; i < l->n; i++)
		if (l->events[i].cpu_time && !l->events[i].err)
			return 0;
	if (l->n == EVENT_MAX)
		return -E2BIG;
	grown = realloc(l->events, ((size_t)l->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	l->events = grown;
	memmove(grown + 1, grown, l->n * sizeof(*grown));
	grown[0] = *event_default();
	l->n++;
	return 0;
}

bool event_counts_each(const struct event *ev)
{
	return !ev->cpu_time && (ev->path || ev->attr.type == SW || ev->attr.type == PERF_TYPE_TRACEPOINT ||
				 ev->attr.type == PERF_TYPE_BREAKPOINT);
}

const struct event *event_default(void)
{
	/* Counts only while the task runs, so a per-task timer needs no idle filtering. */
	static const struct event clock = {
		.name = "task-clock",
		.attr = {.size = sizeof(struct perf_event_attr),
			 .type = SW,
			 .config = PERF_COUNT_SW_TASK_CLOCK},
		.cpu_time = true,
		.count_type = "cpu-samples",
		.value_type = "cpu-time",
		.value_unit = "nanoseconds",
	};

	return &clock;
}

int event_refuse(const struct event_why *why, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->text, why->len, fmt, ap);
	va_end(ap);
	return err;
}

int event_modifiers(struct event *ev, const char *mods, const struct event_why *why)
{
	bool user = false, kernel = false, hv = false;
	const char *m;

	for (m = mods; *m; m++) {
		if (*m == 'u')
			user = true;
		else if (*m == 'k')
			kernel = true;
		else if (*m == 'h')
			hv = true;
		else if (*m == 'p' && ev->attr.precise_ip < 3)
			ev->attr.precise_ip++;
		else
			return event_refuse(why, -EINVAL,
					    "'%s': no modifier '%c'\n  they are u (user), k (kernel), h "
					    "(hypervisor), p to ppp (precise)",
					    ev->name, *m);
	}
	if (user || kernel || hv) {
		ev->modified = true;
		ev->attr.exclude_user = !user;
		ev->attr.exclude_kernel = !kernel;
		ev->attr.exclude_hv = !hv;
	}
	return 0;
}

static void set_types(struct event *ev)
{
	const struct event *clock = event_default();

	ev->cpu_time = ev->attr.type == SW && (ev->attr.config == PERF_COUNT_SW_TASK_CLOCK ||
					       ev->attr.config == PERF_COUNT_SW_CPU_CLOCK);
	ev->count_type = ev->cpu_time ? clock->count_type : NULL;
	ev->value_type = ev->cpu_time ? clock->value_type : NULL;
	ev->value_unit = ev->cpu_time ? clock->value_unit : "count";
}

int event_word(struct event *ev, const char *text, const struct event_why *why)
{
	size_t len = strcspn(text, ":"), i;

	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (strlen(foreign[i].name) == len && !memcmp(foreign[i].name, text, len))
			return event_refuse(why, -ENOTSUP,
					    "'%.*s' (%s) is no perf event and cannot be profiled yet",
					    (int)len, text, foreign[i].what);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const struct word *w = &words[i];

		if ((strlen(w->name) == len && !strncasecmp(w->name, text, len)) ||
		    (w->former && strlen(w->former) == len && !memcmp(w->former, text, len)) ||
		    (w->former2 && strlen(w->former2) == len && !memcmp(w->former2, text, len)))
			break;
	}
	/* More than one letter of modifiers' worth after the colon is a name of libpfm4's. */
	if (i == sizeof(words) / sizeof(words[0]) ||
	    (text[len] && strspn(text + len + 1, "ukhp") != strlen(text + len + 1)))
		return -ENOENT;
	ev->attr.type = words[i].type;
	ev->attr.config = words[i].config;
	snprintf(ev->name, sizeof(ev->name), "%s%s", words[i].name, text + len);
	set_types(ev);
	return text[len] ? event_modifiers(ev, text + len + 1, why) : 0;
}

bool event_is_foreign(const char *text)
{
	size_t i;

	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (!strcmp(foreign[i].name, text))
			return true;
	return false;
}

bool event_is_name(const char *s, size_t len, const char *others)
{
	size_t i;

	if (!len || len > 100 || *s == '.')
		return false;
	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr(others, s[i]))
			return false;
	return true;
}

bool event_is_word(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(words[i].name, name) ||
		    (words[i].former2 && !strcasecmp(words[i].former2, name)))
			return true;
	return false;
}

static int search_words(const char *pattern, int (*each)(const struct event_info *, void *), void *arg)
{
	size_t i;
	int err;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct event_info info = {words[i].name, words[i].former ? words[i].former : "",
					  words[i].type == SW ? "software" : "hardware", true};

		if (!strcasestr(words[i].name, pattern) &&
		    !(words[i].former && strcasestr(words[i].former, pattern)))
			continue;
		err = each(&info, arg);
		if (err)
			return err;
	}
	return 0;
}

int event_search(const char *pattern, bool all, int (*each)(const struct event_info *info, void *arg),
		 void *arg)
{
	int err = search_words(pattern, each, arg);

	if (!err)
		err = event_search_sysfs(pattern, each, arg);
	if (!err)
		err = event_search_tracepoints(pattern, each, arg);
	if (!err)
		err = event_search_pfm(pattern, all, each, arg);
	return err;
}

struct suggestion {
	const char *word;
	size_t len;
	char names[3][NEAREST_WORD_MAX + 1];
	size_t distance[3];
};

/* Nobody remembers which of '-', '_' and '.' stands between the parts of a name, nor what is in capitals. */
static void plain(const char *word, char out[NEAREST_WORD_MAX + 1])
{
	size_t i;

	for (i = 0; i < NEAREST_WORD_MAX && word[i]; i++)
		out[i] = word[i] == '_' || word[i] == '.' ? '-' : (char)tolower((unsigned char)word[i]);
	out[i] = '\0';
}

static int suggest_one(const struct event_info *info, void *arg)
{
	struct suggestion *s = arg;
	char name[NEAREST_WORD_MAX + 1];
	size_t len = strlen(info->name), d, i, j;

	if (len > NEAREST_WORD_MAX)
		return 0;
	plain(info->name, name);
	d = nearest_distance(s->word, s->len, name);
	if (!nearest_plausible(d, s->len))
		return 0;
	for (i = 0; i < 3; i++) {
		if (!strcmp(s->names[i], info->name))
			return 0;
		if (d < s->distance[i])
			break;
	}
	if (i == 3)
		return 0;
	for (j = 2; j > i; j--) {
		memcpy(s->names[j], s->names[j - 1], sizeof(s->names[j]));
		s->distance[j] = s->distance[j - 1];
	}
	strcpy(s->names[i], info->name);
	s->distance[i] = d;
	return 0;
}

void event_suggest(const char *word, char *out, size_t len)
{
	char typed[NEAREST_WORD_MAX + 1];
	struct suggestion s = {
		.word = typed, .len = strlen(word), .distance = {SIZE_MAX, SIZE_MAX, SIZE_MAX}};
	size_t i, at = 0;

	out[0] = '\0';
	if (s.len > NEAREST_WORD_MAX)
		return;
	plain(word, typed);
	event_search("", false, suggest_one, &s);
	for (i = 0; i < 3 && s.names[i][0] && at < len; i++)
		at += (size_t)snprintf(out + at, len - at, "%s%s", i ? ", " : "", s.names[i]);
}
