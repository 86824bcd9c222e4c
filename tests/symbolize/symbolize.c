/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbolize.c - name chosen addresses of a file, the way a profile's are named; for benchmarks and
 * comparisons.
 *
 *   symbolize [-p] FILE < ADDRESSES
 *
 * ADDRESSES: hexadecimal ELF addresses, one a line. -p prints for each its
 * address, then a line per frame, innermost first: linker's name, file:line
 * and the line where the function is declared, with tabs between; an empty line
 * ends it. On stderr: what symbolize() reports.
 */
#include "tests/unit/elf_fixture.h"

#include <inttypes.h>

struct addresses {
	uint64_t *a;
	uint32_t *locations;
	uint32_t n, cap;
};

static int read_addresses(struct addresses *as)
{
	char line[128];

	while (fgets(line, sizeof(line), stdin)) {
		if (as->n == as->cap) {
			as->cap = as->cap ? as->cap * 2 : 1024;
			as->a = realloc(as->a, as->cap * sizeof(*as->a));
			as->locations = realloc(as->locations, as->cap * sizeof(*as->locations));
			if (!as->a || !as->locations)
				return -1;
		}
		as->a[as->n++] = strtoull(line, NULL, 16);
	}
	return 0;
}

static void print(const struct addresses *as, const struct names *names)
{
	const struct names_location *l;
	const struct names_frame *f;
	uint32_t i, k;

	for (i = 0; i < as->n; i++) {
		l = fixture_names(names, as->locations[i]);
		printf("0x%" PRIx64 "\n", as->a[i]);
		for (k = 0; k < l->n; k++) {
			f = &names->frames[l->first + k];
			printf("%s\t%s:%u\t%u\n", strtab_get(&names->strings, f->system_name),
			       strtab_get(&names->strings, f->file), f->line, f->start_line);
		}
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	const struct symbolize_options opt = {.inlines = true, .deadline_ms = 120000};
	bool want_print = argc > 1 && !strcmp(argv[1], "-p");
	struct addresses as = {0};
	struct symbolize_report report;
	struct profile p;
	struct names names;
	uint32_t module, i;

	if (argc != 2 + want_print) {
		fprintf(stderr, "usage: symbolize [-p] FILE < ADDRESSES\n");
		return 2;
	}
	if (profile_init(&p) || names_init(&names) || read_addresses(&as))
		return 1;
	module = fixture_module(&p, argv[1 + want_print]);
	if (module == PROFILE_NONE) {
		fprintf(stderr, "cannot read '%s'\n", argv[1 + want_print]);
		return 1;
	}
	for (i = 0; i < as.n; i++)
		as.locations[i] = fixture_location(&p, module, as.a[i]);
	if (symbolize(&p, &names, &opt, &report))
		return 1;
	if (want_print)
		print(&as, &names);
	fprintf(stderr, "mode %d wall_ms %.1f cpu_ms %.1f peak_kb %" PRIu64 " %s\n", report.mode,
		(double)report.wall_ns / 1e6, (double)report.cpu_ns / 1e6, report.peak_rss_kb, report.why);
	names_release(&names);
	fixture_close(&p);
	free(as.a);
	free(as.locations);
	return 0;
}
