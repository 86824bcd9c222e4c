/* SPDX-License-Identifier: Apache-2.0 */
/* debugfile_kernel.c - see debugfile.h: the running kernel's own debug file. */
#include "symbolize/debugfile.h"

#include "base/buf.h"
#include "base/io.h"
#include "symbolize/debugsearch.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#define MAX_NOTES (64u << 10)

uint8_t debugfile_note_id(const uint8_t *notes, size_t len, uint8_t id[PROFILE_BUILD_ID_MAX])
{
	size_t at = 0, name, desc;
	Elf64_Nhdr nh;

	while (len - at >= sizeof(nh)) {
		memcpy(&nh, notes + at, sizeof(nh));
		at += sizeof(nh);
		name = ((size_t)nh.n_namesz + 3) & ~(size_t)3;
		desc = ((size_t)nh.n_descsz + 3) & ~(size_t)3;
		if (name > len - at || desc > len - at - name)
			return 0;
		if (nh.n_type == NT_GNU_BUILD_ID && nh.n_namesz == 4 && !memcmp(notes + at, "GNU", 4) &&
		    nh.n_descsz <= PROFILE_BUILD_ID_MAX) {
			memcpy(id, notes + at + name, nh.n_descsz);
			return (uint8_t)nh.n_descsz;
		}
		at += name + desc;
	}
	return 0;
}

static void read_kernel_id(struct debugsearch *s)
{
	struct buf notes;

	buf_init(&notes, MAX_NOTES);
	if (!io_read_file(AT_FDCWD, "/sys/kernel/notes", &notes))
		s->id_len = debugfile_note_id(notes.data, notes.len, s->id);
	buf_release(&notes);
}

int debugfile_find_kernel(const struct debugfile_dirs *dirs, enum debugfile_why *why)
{
	static const char *const places[][2] = {{DEBUG_DIR "/boot/vmlinux-", ""},
						{DEBUG_DIR "/lib/modules/", "/vmlinux"},
						{"/boot/vmlinux-", ""},
						{"/lib/modules/", "/vmlinux"},
						{"/lib/modules/", "/build/vmlinux"}};
	struct debugsearch s;
	struct utsname u;
	size_t i;
	int fd = -1;

	debugsearch_init(&s, dirs, 0);
	read_kernel_id(&s);
	/* without an id nothing could prove that it belongs */
	if (s.id_len && !uname(&u)) {
		fd = debugsearch_build_id(&s, ".debug");
		if (fd < 0)
			fd = debugsearch_printf(&s, debugsearch_dirs, "vmlinux-%s", u.release);
		if (fd < 0)
			fd = debugsearch_dirs(&s, "vmlinux");
		for (i = 0; i < sizeof(places) / sizeof(*places) && fd < 0; i++)
			fd = debugsearch_printf(&s, debugsearch_path, "%s%s%s", places[i][0], u.release,
						places[i][1]);
	}
	*why = fd < 0 ? s.why : DEBUGFILE_FOUND;
	debugsearch_release(&s);
	return fd;
}
