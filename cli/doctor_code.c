/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_code.c - see doctor_code.h. */
#include "cli/doctor_code.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ENOUGH_CFI                                                                                           \
	50 /* percent of .text: what has less was built without (start-up code always has some)              \
	    */
#define WORTH_CFI     4096 /* bytes of .text: libraries that others have swallowed have a few stubs left */
#define ENOUGH_FRAMED 90   /* percent of functions */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool has_cfi(const struct doctor_file *f)
{
	return f->go || f->cfi_pct >= ENOUGH_CFI;
}

static bool has_names(const struct doctor_file *f)
{
	return f->go || f->symtab || f->minidebug || f->dwarf;
}

void doctor_code_exe(struct doctor_code *c, int fd, const char *path, pid_t pid)
{
	doctor_file_look(&c->exe, fd, path, pid, &c->dirs);
	if (c->exe.allocator)
		c->allocator = c->exe.allocator;
}

static void note_first(char out[PATH_MAX], const char *path)
{
	if (!*out)
		snprintf(out, PATH_MAX, "%s", path);
}

void doctor_code_library(struct doctor_code *c, int fd, const char *path, pid_t pid)
{
	const char *allocator = doctor_allocator(path), *name = base_name(path);
	struct doctor_file f;

	doctor_file_look(&f, fd, path, pid, &c->dirs);
	if (f.err)
		return;
	c->libraries++;
	if (allocator || f.allocator)
		c->allocator = allocator ? allocator : f.allocator;
	if (!strncmp(name, "libc.so.6", 9) || !strncmp(name, "libc-2.", 7))
		c->libc = "glibc";
	else if (!strncmp(name, "ld-musl-", 8) || !strncmp(name, "libc.musl-", 10))
		c->libc = "musl";
	if (!has_cfi(&f) && f.text_size >= WORTH_CFI) {
		c->no_cfi++;
		note_first(c->first_no_cfi, path);
	}
	c->no_names += !has_names(&f);
	if (!f.dwarf) {
		c->no_lines++;
		note_first(c->first_no_lines, path);
	}
}

void doctor_code_unreadable(struct doctor_code *c, const char *name)
{
	c->unreadable++;
	note_first(c->first_unreadable, name);
}

/* ---- rows ---- */

static void tell_cfi(struct doctor *d, const struct doctor_code *c)
{
	const struct doctor_file *f = &c->exe;
	bool framed = f->functions && f->framed * 100 >= f->functions * ENOUGH_FRAMED;
	struct doctor_ill ill = {
		.state = DOCTOR_DEGRADED,
		.key = "cfi",
		.what = "call frame information",
		.fix = "rebuild with -fasynchronous-unwind-tables",
		.meanwhile = framed ? "frame pointers, which its functions set up"
				    : "frame pointers and a look at the code; stacks may end early"};
	char more[48] = "", share[32] = "";

	if (c->no_cfi > 1)
		snprintf(more, sizeof(more), " (and %u others)", c->no_cfi - 1);
	if (!has_cfi(f))
		doctor_ill(d, &ill, "'%.160s' has it for %u %% of its code", f->path, f->cfi_pct);
	else if (c->no_cfi)
		doctor_ill(d, &ill, "library '%.160s'%s has none to speak of", c->first_no_cfi, more);
	else if (f->go)
		doctor_ok(d, ill.key, ill.what, "by Go's function table");
	else {
		if (f->cfi_pct != DOCTOR_CFI_UNKNOWN)
			snprintf(share, sizeof(share), ", %u %% of its code", f->cfi_pct);
		doctor_ok(d, ill.key, ill.what, "in the program%s, and in %u libraries", share, c->libraries);
	}
}

/* The one command that brings debug files here. */
static void debug_fix(char *out, size_t len)
{
	static const struct {
		const char *id, *server;
	} known[] = {{"\nID=debian\n", "debuginfod.debian.net"},
		     {"\nID=ubuntu\n", "debuginfod.ubuntu.com"},
		     {"\nID=fedora\n", "debuginfod.fedoraproject.org"},
		     {"\nID=arch\n", "debuginfod.archlinux.org"}};
	const char *server = "debuginfod.elfutils.org";
	char text[4096] = "\n";
	size_t i;

	(void)doctor_read("/etc/os-release", text + 1, sizeof(text) - 2);
	strcat(text, "\n");
	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strstr(text, known[i].id))
			server = known[i].server;
	snprintf(out, len, "DEBUGINFOD_URLS=https://%s ddprof-run --debuginfod ...", server);
}

static void tell_names(struct doctor *d, const struct doctor_code *c)
{
	const struct doctor_file *f = &c->exe;
	char fix[160];
	const struct doctor_ill ill = {
		.state = DOCTOR_DEGRADED,
		.key = "symbols",
		.what = "names of functions",
		.fix = fix,
		.meanwhile = f->dynsym ? "exported functions by name, the others by address" : "addresses"};

	debug_fix(fix, sizeof(fix));
	if (!has_names(f))
		doctor_ill(d, &ill, "'%.200s' is stripped, and no debug file for it is here", f->path);
	else
		doctor_ok(d, ill.key, ill.what, "%s",
			  f->go       ? "by Go's function table"
			  : f->symtab ? "in the program's symbol table"
			  : f->dwarf  ? "in its debug file"
				      : "in its .gnu_debugdata");
}

static const char *no_lines_why(enum debugfile_why why)
{
	switch (why) {
	case DEBUGFILE_UNREADABLE:
		return "its debug file cannot be read";
	case DEBUGFILE_OTHER_CRC:
	case DEBUGFILE_OTHER_ID:
		return "the debug file that is here is of another build";
	default:
		return "it was built without -g, or its debug file is not here";
	}
}

static void tell_lines(struct doctor *d, const struct doctor_code *c)
{
	const struct doctor_file *f = &c->exe;
	char fix[160], id[64] = "";
	const struct doctor_ill ill = {.state = DOCTOR_MISSING,
				       .optional = true,
				       .key = "debug",
				       .what = "lines and inlined calls",
				       .fix = fix,
				       .meanwhile = "functions without lines"};

	debug_fix(fix, sizeof(fix));
	if (*f->build_id)
		snprintf(id, sizeof(id), " (build id %.40s)", f->build_id);
	if (!f->dwarf && !f->go)
		doctor_ill(d, &ill, "none for '%.140s': %s%s", f->path, no_lines_why(f->debug), id);
	else
		doctor_ok(d, ill.key, ill.what, "%s",
			  f->debug == DEBUGFILE_FOUND ? "in a separate debug file"
			  : f->dwarf                  ? "in the program itself"
						      : "by Go's function table");
}

static void tell_libraries(struct doctor *d, const struct doctor_code *c)
{
	char fix[160];
	struct doctor_ill ill = {.state = DOCTOR_DEGRADED,
				 .optional = true,
				 .key = "libraries",
				 .what = "libraries",
				 .fix = fix,
				 .meanwhile = "their exported functions by name"};

	debug_fix(fix, sizeof(fix));
	if (c->unreadable) {
		ill.optional = false;
		ill.fix = "sudo ddprof doctor ..., if it is a matter of rights";
		ill.meanwhile = "what runs in it is without stacks and names";
		doctor_ill(d, &ill, "%u cannot be opened, such as '%.160s'", c->unreadable,
			   c->first_unreadable);
	} else if (c->no_lines) {
		doctor_ill(d, &ill, "%u of %u without debug file, such as '%.160s'", c->no_lines,
			   c->libraries, c->first_no_lines);
	} else {
		doctor_ok(d, ill.key, ill.what, c->libraries ? "%u, all with debug information" : "none",
			  c->libraries);
	}
}

static void tell_frames(struct doctor *d, const struct doctor_code *c)
{
	const struct doctor_file *f = &c->exe;

	if (f->functions)
		doctor_ok(d, "frame-pointers", "frame pointers", "%u of %u functions looked at set one up%s",
			  f->framed, f->functions, has_cfi(f) ? "; not needed" : "");
}

void doctor_code_rows(struct doctor *d, const struct doctor_code *c)
{
	const struct doctor_file *f = &c->exe;

	if (f->err) {
		doctor_ill(d,
			   &(const struct doctor_ill){DOCTOR_DEGRADED, false, "executable", "executable", "",
						      "addresses"},
			   "'%.200s' %s", f->path,
			   f->err == -ENOEXEC ? "is no ELF program of this machine's kind"
					      : strerror(-f->err));
		return;
	}
	doctor_ok(d, "executable", "executable", "'%.200s', %s%s%s", f->path,
		  f->dynamic ? "dynamically linked" : "statically linked", *f->compiler ? ", " : "",
		  f->compiler);
	tell_cfi(d, c);
	tell_names(d, c);
	tell_lines(d, c);
	tell_libraries(d, c);
	tell_frames(d, c);
	if (c->allocator || c->libc)
		doctor_ok(d, "allocator", "allocator", "%s%s", c->allocator ? c->allocator : c->libc,
			  c->allocator ? "" : "'s malloc");
	else
		doctor_ok(d, "allocator", "allocator", f->go ? "Go's own" : "none that is known");
}
