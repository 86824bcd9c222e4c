/* SPDX-License-Identifier: Apache-2.0 */
/* test_cfi_packed.c - rows from a compressed .debug_frame, and headers that lie about it. */
#include "collect/cfi.h"

#include "tests/unit/fake_elf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#define MB (UINT64_C(1) << 20)

struct bench {
	struct fake_elf elf;
	struct profile profile;
	struct modules *modules;
	struct cfi *cfi;
	struct module *m;
	uint8_t plain[0x400]; /* what was compressed */
	uint64_t plain_len;
	uint8_t *image; /* of a module of its own; as large as the test wants it */
};

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(profile_init(&b->profile), 0);
	assert_int_equal(modules_new(&b->modules, &b->profile, 64), 0);
	assert_int_equal(cfi_new(&b->cfi, b->modules), 0);
	fake_init(&b->elf, FAKE_DEBUG);
	fake_fde(&b->elf, 0x2000, 0x40, NULL, 0);
	fake_fde(&b->elf, 0x2040, 0x10, NULL, 0);
	b->plain_len = b->elf.at - FAKE_FRAME;
	assert_true(b->plain_len <= sizeof(b->plain));
	memcpy(b->plain, b->elf.image + FAKE_FRAME, b->plain_len);
	fake_finish(&b->elf, 0);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	cfi_free(b->cfi);
	modules_free(b->modules);
	profile_release(&b->profile);
	free(b->image);
	free(b);
	return 0;
}

static Elf64_Shdr *section_header(struct bench *b)
{
	return (Elf64_Shdr *)(void *)(b->elf.image + FAKE_SHDRS) + 1;
}

/* Make .debug_frame of a header that says @type and @size, and the @len bytes of @packed. */
static void load(struct bench *b, uint32_t type, uint64_t size, const uint8_t *packed, size_t len)
{
	Elf64_Chdr head = {.ch_type = type, .ch_size = size, .ch_addralign = 8};
	Elf64_Shdr *sh = section_header(b);
	size_t all = FAKE_SIZE + sizeof(head) + len;

	sh->sh_flags |= SHF_COMPRESSED;
	sh->sh_offset = FAKE_SIZE; /* at the end, where there is room */
	sh->sh_size = sizeof(head) + len;
	free(b->image);
	b->image = malloc(all);
	assert_non_null(b->image);
	memcpy(b->image, b->elf.image, FAKE_SIZE);
	memcpy(b->image + FAKE_SIZE, &head, sizeof(head));
	if (len)
		memcpy(b->image + FAKE_SIZE + sizeof(head), packed, len);
	b->m = modules_add_image(b->modules, "[fake]", b->image, all);
	assert_non_null(b->m);
	assert_int_equal(b->m->info->reason, MODULE_OK);
}

static int row_at(struct bench *b, uint64_t vaddr)
{
	struct cfi_row row;
	int err = cfi_row_at(b->cfi, b->m, vaddr, &row);

	if (!err) {
		assert_int_equal(row.cfa_reg, 7);
		assert_int_equal(row.cfa_off, 8);
	}
	return err;
}

static size_t pack(const struct bench *b, uint8_t out[0x400])
{
	uLongf len = 0x400;

	assert_int_equal(compress2(out, &len, b->plain, b->plain_len, 9), Z_OK);
	return len;
}

static void rows_are_found_in_a_compressed_section(void **state)
{
	struct bench *b = *state;
	uint8_t packed[0x400];
	size_t len = pack(b, packed);

	load(b, ELFCOMPRESS_ZLIB, b->plain_len, packed, len);
	assert_int_equal(row_at(b, 0x1fff), -ENOENT);
	assert_int_equal(row_at(b, 0x2000), 0);
	assert_int_equal(row_at(b, 0x203f), 0);
	assert_int_equal(row_at(b, 0x2040), 0);
	assert_int_equal(row_at(b, 0x2050), -ENOENT);
}

static void a_header_that_lies_costs_the_section_only(void **state)
{
	static const uint64_t sizes[] = {0, 1, 16 * MB, 17 * MB, UINT64_C(1) << 40, UINT64_MAX};
	struct bench *b = *state;
	uint8_t packed[0x400];
	size_t len = pack(b, packed), i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		load(b, ELFCOMPRESS_ZLIB, sizes[i], packed, len);
		assert_int_equal(row_at(b, 0x2000), -ENOENT);
	}
	load(b, ELFCOMPRESS_ZLIB, b->plain_len - 1, packed, len);
	assert_int_equal(row_at(b, 0x2000), -ENOENT);
	load(b, ELFCOMPRESS_ZLIB, b->plain_len + 1, packed, len);
	assert_int_equal(row_at(b, 0x2000), -ENOENT);
	load(b, 2 /* zstd */, b->plain_len, packed, len);
	assert_int_equal(row_at(b, 0x2000), -ENOENT);
}

static void a_stream_cut_or_spoilt_costs_the_section_only(void **state)
{
	struct bench *b = *state;
	uint8_t packed[0x400];
	size_t len = pack(b, packed), i;

	for (i = 0; i < len; i += 7) {
		load(b, ELFCOMPRESS_ZLIB, b->plain_len, packed, i);
		assert_int_equal(row_at(b, 0x2000), -ENOENT);
	}
	packed[len - 1] ^= 1; /* of its checksum */
	load(b, ELFCOMPRESS_ZLIB, b->plain_len, packed, len);
	assert_int_equal(row_at(b, 0x2000), -ENOENT);
	/* Not even a header. */
	section_header(b)->sh_size = 7;
	b->m = modules_add_image(b->modules, "[fake]", b->elf.image, FAKE_SIZE);
	assert_int_equal(row_at(b, 0x2000), -ENOENT);
}

/* A section of 16 MB that begins with the functions; each as good as the other. */
static void what_is_unpacked_is_bounded_over_all_files(void **state)
{
	struct bench *b = *state;
	uint8_t *plain = calloc(1, 16 * MB), *packed = malloc(MB);
	uLongf len = MB;

	assert_non_null(plain);
	assert_non_null(packed);
	memcpy(plain, b->plain, b->plain_len);
	assert_int_equal(compress2(packed, &len, plain, 16 * MB, 9), Z_OK);
	load(b, ELFCOMPRESS_ZLIB, 16 * MB, packed, len);
	assert_int_equal(row_at(b, 0x2000), 0);
	load(b, ELFCOMPRESS_ZLIB, 16 * MB, packed, len);
	assert_int_equal(row_at(b, 0x2000), 0);
	load(b, ELFCOMPRESS_ZLIB, 16 * MB, packed, len);
	assert_int_equal(row_at(b, 0x2000), -ENOENT);
	free(plain);
	free(packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rows_are_found_in_a_compressed_section, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_header_that_lies_costs_the_section_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stream_cut_or_spoilt_costs_the_section_only, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_unpacked_is_bounded_over_all_files, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
