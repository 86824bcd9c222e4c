/* SPDX-License-Identifier: Apache-2.0 */
/* source.c - what several sources need. */
#include "symbolize/source.h"

#include "symbolize/debugfile.h"
#include "symbolize/demangle.h"
#include "symbolize/split.h"

#include <elf.h>
#include <string.h>

uint32_t source_lower_bound(const struct source_module *m, uint64_t vaddr)
{
	uint32_t lo = 0, hi = m->n_addrs, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (m->addrs[mid].vaddr < vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool source_in_code(const struct profile_module *mod, uint64_t vaddr)
{
	const struct module_segment *s;
	uint8_t i;

	for (i = 0; i < mod->n_segments && i < PROFILE_MAX_SEGMENTS; i++) {
		s = &mod->segments[i];
		if ((s->flags & PF_X) && vaddr >= s->vaddr && vaddr - s->vaddr < s->memsz)
			return true;
	}
	return !mod->n_segments;
}

void source_take_split(struct source_module *m, const struct debugfile *found)
{
	if (found->split)
		m->split = split_new(found->dwp_fd);
}

int source_symbol_name(struct names *names, const char *name, size_t len, struct names_frame *f)
{
	char raw[STRTAB_STR_MAX + 1], readable[DEMANGLE_MAX];
	int err;

	if (len > STRTAB_STR_MAX)
		len = STRTAB_STR_MAX;
	memcpy(raw, name, len);
	raw[len] = '\0';
	err = strtab_put(&names->strings, raw, &f->system_name);
	if (err)
		return err;
	demangle(raw, readable, sizeof(readable));
	return strtab_put(&names->strings, readable, &f->function);
}

bool source_better_alias(const char *a, const char *b)
{
	size_t ua = strspn(a, "_"), ub = strspn(b, "_"), la, lb;

	if (ua != ub)
		return ua < ub;
	la = strlen(a);
	lb = strlen(b);
	return la != lb ? la < lb : strcmp(a, b) < 0;
}
