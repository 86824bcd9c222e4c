/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_probe.c - breakpoints (mem:ADDR[/LEN][:rwx]) and uprobes
 * (probe:FILE:SYMBOL[+OFFSET][%return]).
 */
#include "collect/event_private.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <linux/hw_breakpoint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int event_breakpoint(struct event *ev, const char *text, const struct event_why *why)
{
	uint64_t addr, len = 0;
	const char *mode;
	char *end;

	if (strncmp(text, "mem:", 4))
		return -ENOENT;
	errno = 0;
	addr = strtoull(text + 4, &end, 0);
	if (errno || end == text + 4)
		return event_refuse(why, -EINVAL,
				    "'%s': wanted is mem:ADDRESS[/LENGTH][:rwx], such as mem:0x601050/8:w",
				    text);
	if (*end == '/')
		len = strtoull(end + 1, &end, 0);
	if (*end && *end != ':')
		return event_refuse(why, -EINVAL, "'%s': '%s' after the address is no length and no :rwx",
				    text, end);
	mode = *end ? end + 1 : "rw";
	ev->attr.type = PERF_TYPE_BREAKPOINT;
	ev->attr.bp_addr = addr;
	if (!strcmp(mode, "r"))
		ev->attr.bp_type = HW_BREAKPOINT_R;
	else if (!strcmp(mode, "w"))
		ev->attr.bp_type = HW_BREAKPOINT_W;
	else if (!strcmp(mode, "rw") || !strcmp(mode, "wr"))
		ev->attr.bp_type = HW_BREAKPOINT_RW;
	else if (!strcmp(mode, "x"))
		ev->attr.bp_type = HW_BREAKPOINT_X;
	else
		return event_refuse(why, -EINVAL, "'%s': '%s' is none of r, w, rw, x", text, mode);
	/* The kernel wants this length for code: include/uapi/linux/perf_event.h, bp_len. */
	if (!len)
		len = ev->attr.bp_type == HW_BREAKPOINT_X ? sizeof(long) : HW_BREAKPOINT_LEN_4;
	if (len != 1 && len != 2 && len != 4 && len != 8)
		return event_refuse(why, -EINVAL, "'%s': a length of %llu is none of 1, 2, 4, 8", text,
				    (unsigned long long)len);
	ev->attr.bp_len = len;
	ev->value_unit = "events";
	return 0;
}

/* The file offset of ELF address @vaddr, or UINT64_MAX. */
static uint64_t file_offset(Elf *elf, uint64_t vaddr)
{
	GElf_Phdr ph;
	size_t n, i;

	if (elf_getphdrnum(elf, &n))
		return UINT64_MAX;
	for (i = 0; i < n; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && vaddr >= ph.p_vaddr &&
		    vaddr - ph.p_vaddr < ph.p_filesz)
			return vaddr - ph.p_vaddr + ph.p_offset;
	return UINT64_MAX;
}

static bool find_in(Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh, const char *symbol, uint64_t *vaddr)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	uint64_t i, n = sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
	const char *name;
	GElf_Sym sym;

	for (i = 0; data && i < n && i < INT32_MAX; i++) {
		if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF ||
		    (GELF_ST_TYPE(sym.st_info) != STT_FUNC && GELF_ST_TYPE(sym.st_info) != STT_GNU_IFUNC))
			continue;
		name = elf_strptr(elf, sh->sh_link, sym.st_name);
		if (name && !strcmp(name, symbol)) {
			*vaddr = sym.st_value;
			return true;
		}
	}
	return false;
}

/* The file offset of function @symbol in @elf, or UINT64_MAX. */
static uint64_t symbol_offset(Elf *elf, const char *symbol)
{
	Elf_Scn *scn = NULL;
	uint64_t vaddr;
	GElf_Shdr sh;

	while ((scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &sh) && (sh.sh_type == SHT_SYMTAB || sh.sh_type == SHT_DYNSYM) &&
		    find_in(elf, scn, &sh, symbol, &vaddr))
			return file_offset(elf, vaddr);
	return UINT64_MAX;
}

static int locate(const char *path, const char *symbol, uint64_t *off, const struct event_why *why)
{
	int fd = io_open_regular(AT_FDCWD, path), err = 0;
	Elf *elf;

	if (fd < 0)
		return event_refuse(why, fd == -EACCES ? fd : -EINVAL,
				    "cannot open '%s' to find '%s' in it: %s", path, symbol, strerror(-fd));
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF) {
		err = event_refuse(why, -EINVAL, "'%s' is no ELF file", path);
	} else {
		*off = symbol_offset(elf, symbol);
		if (*off == UINT64_MAX)
			err = event_refuse(
				why, -EINVAL,
				"'%s' has no function '%s' in its symbol tables\n  see: nm -C '%s'; "
				"nm -D '%s'",
				path, symbol, path, path);
	}
	elf_end(elf);
	close(fd);
	return err;
}

int event_uprobe(struct event *ev, const char *text, const struct event_why *why)
{
	char path[EVENT_NAME_MAX], symbol[EVENT_NAME_MAX], *mark, *end;
	const char *colon;
	uint64_t off = 0, plus = 0;
	int type, err;

	if (strncmp(text, "probe:", 6))
		return -ENOENT;
	colon = strrchr(text + 6, ':');
	if (!colon || colon == text + 6 || !colon[1])
		return event_refuse(why, -EINVAL, "'%s': wanted is probe:FILE:SYMBOL[+OFFSET][%%return]",
				    text);
	type = event_pmu_type("uprobe");
	if (type < 0)
		return event_refuse(why, -ENODEV, "'%s': this kernel has no uprobes", text);
	snprintf(path, sizeof(path), "%.*s", (int)(colon - text - 6), text + 6);
	snprintf(symbol, sizeof(symbol), "%s", colon + 1);
	mark = strchr(symbol, '%');
	if (mark && strcmp(mark, "%return"))
		return event_refuse(why, -EINVAL, "'%s': '%s' is not %%return", text, mark);
	if (mark)
		*mark = '\0';
	mark = strchr(symbol, '+');
	if (mark) {
		*mark = '\0';
		errno = 0;
		plus = strtoull(mark + 1, &end, 0);
		if (errno || *end || end == mark + 1 || plus > UINT32_MAX)
			return event_refuse(why, -EINVAL, "'%s': '+%s' is no offset", text, mark + 1);
	}
	err = locate(path, symbol, &off, why);
	if (err)
		return err;
	ev->path = realpath(path, NULL);
	if (!ev->path)
		return event_refuse(why, -ENOMEM, "cannot resolve '%s': %s", path, strerror(errno));
	ev->attr.type = (uint32_t)type;
	ev->attr.config = strstr(text, "%return") ? 1 : 0; /* format/retprobe is config:0 */
	ev->attr.config1 = (uint64_t)(uintptr_t)ev->path;
	ev->attr.config2 = off + plus;
	ev->value_unit = "events";
	return 0;
}
