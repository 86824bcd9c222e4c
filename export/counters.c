/* SPDX-License-Identifier: Apache-2.0 */
/* counters.c - see counters.h. */
#include "export/counters.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_LEN 96

static const struct {
	const char *name; /* with '-' for '_' and '.', compared in any case */
	enum counter_kind kind;
	const char *heading;
} names[] = {
	{"cycles", COUNTER_CYCLES, NULL},
	{"cpu-cycles", COUNTER_CYCLES, NULL}, /* also aarch64's own name */
	{"hCPU", COUNTER_CYCLES, NULL},
	{"cpu-clk-unhalted", COUNTER_CYCLES, NULL},
	{"cpu-clk-unhalted:thread", COUNTER_CYCLES, NULL},
	{"cpu-clk-unhalted:thread-p", COUNTER_CYCLES, NULL},
	{"cpu-clk-unhalted-thread", COUNTER_CYCLES, NULL},
	{"cycles-not-in-halt", COUNTER_CYCLES, NULL},
	{"instructions", COUNTER_INSTRUCTIONS, NULL},
	{"hINST", COUNTER_INSTRUCTIONS, NULL},
	{"hINSTR", COUNTER_INSTRUCTIONS, NULL},
	{"inst-retired", COUNTER_INSTRUCTIONS, NULL},
	{"inst-retired:any", COUNTER_INSTRUCTIONS, NULL},
	{"inst-retired:any-p", COUNTER_INSTRUCTIONS, NULL},
	{"inst-retired-any", COUNTER_INSTRUCTIONS, NULL},
	{"instruction-retired", COUNTER_INSTRUCTIONS, NULL},
	{"instructions-retired", COUNTER_INSTRUCTIONS, NULL},
	{"retired-instructions", COUNTER_INSTRUCTIONS, NULL},
	{"cpu-time", COUNTER_CPU_TIME, NULL},
	{"cpu", COUNTER_CPU_TIME, NULL}, /* Go's and many others'; the unit has to be a time */
	{"task-clock", COUNTER_CPU_TIME, NULL},
	{"cpu-clock", COUNTER_CPU_TIME, NULL},
	{"sCPU", COUNTER_CPU_TIME, NULL},
	{"page-faults", COUNTER_FAULTS, NULL},
	{"faults", COUNTER_FAULTS, NULL},
	{"sPF", COUNTER_FAULTS, NULL},
	{"cache-misses", COUNTER_MISSES, "cache"},
	{"hCMISS", COUNTER_MISSES, "cache"},
	{"LLC-misses", COUNTER_MISSES, "LLC"},
	{"LLC-load-misses", COUNTER_MISSES, "LLC"},
	{"LLC-store-misses", COUNTER_MISSES, "LLCst"},
	{"L1-dcache-load-misses", COUNTER_MISSES, "L1d"},
	{"L1-dcache-misses", COUNTER_MISSES, "L1d"},
	{"L1-dcache-store-misses", COUNTER_MISSES, "L1dst"},
	{"L1-icache-load-misses", COUNTER_MISSES, "L1i"},
	{"L1-icache-misses", COUNTER_MISSES, "L1i"},
	{"dTLB-load-misses", COUNTER_MISSES, "dTLB"},
	{"dTLB-misses", COUNTER_MISSES, "dTLB"},
	{"dTLB-store-misses", COUNTER_MISSES, "dTLBst"},
	{"iTLB-load-misses", COUNTER_MISSES, "iTLB"},
	{"iTLB-misses", COUNTER_MISSES, "iTLB"},
	{"node-load-misses", COUNTER_MISSES, "node"},
	{"branch-misses", COUNTER_MISSES, "branch"},
	{"branch-load-misses", COUNTER_MISSES, "branch"},
	{"branches-misses", COUNTER_MISSES, "branch"},
	{"hBMISS", COUNTER_MISSES, "branch"},
};

/* Modifiers alone: letters that say who is counted, and how precisely. */
static bool are_modifiers(const char *s)
{
	return *s && !s[strspn(s, "ukhp")];
}

/* "skl::", "cpu_core/": to the scope, unless it is what all names mean on most machines. */
static char *take_pmu(char *name, char *pmu, size_t len)
{
	char *end = strstr(name, "::"), *slash = strchr(name, '/');
	size_t skip = 2;

	if (slash && slash[1]) {
		end = slash;
		skip = 1;
		slash = strchr(end + 1, '/');
		if (slash && slash[1]) /* "cpu/cycles/u" */
			*slash = ':';
		else if (slash)
			*slash = '\0';
	}
	pmu[0] = '\0';
	if (!end || end == name)
		return name;
	*end = '\0';
	if (strcmp(name, "cpu") && strcmp(name, "perf") && strncmp(name, "armv8_pmuv3", 11))
		snprintf(pmu, len, "%.*s", (int)len - 1, name);
	return end + skip;
}

struct counter counter_by_name(const char *name, size_t len)
{
	struct counter c = {.kind = COUNTER_OTHER};
	char text[NAME_MAX_LEN + 1], pmu[COUNTER_SCOPE_MAX - 8], *s, *mods;
	bool u, k, h;
	size_t i;

	if (!len || len > NAME_MAX_LEN || memchr(name, '\0', len))
		return c;
	memcpy(text, name, len);
	text[len] = '\0';
	s = take_pmu(text, pmu, sizeof(pmu));
	mods = strrchr(s, ':');
	if (mods && are_modifiers(mods + 1))
		*mods++ = '\0';
	else
		mods = NULL;
	i = strlen(s);
	if (i > 6 && !strcmp(s + i - 6, "_event"))
		s[i - 6] = '\0';
	for (i = 0; s[i]; i++)
		if (s[i] == '_' || s[i] == '.')
			s[i] = '-';
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcasecmp(s, names[i].name))
			continue;
		c.kind = names[i].kind;
		c.heading = names[i].heading;
		break;
	}
	u = mods && strchr(mods, 'u');
	k = mods && strchr(mods, 'k');
	h = mods && strchr(mods, 'h');
	snprintf(c.scope, sizeof(c.scope), "%s%s%s%s%s", pmu, u || k || h ? ":" : "", u ? "u" : "",
		 k ? "k" : "", h ? "h" : "");
	return c;
}
