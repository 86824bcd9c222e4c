/* SPDX-License-Identifier: Apache-2.0 */
/* test_record.c - records, rings and their order, from bytes in memory. */
#include "collect/order.h"
#include "collect/procfs.h"
#include "collect/record.h"
#include "collect/ring.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define SIDE_TYPE (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME)
#define SAMPLE_TYPE                                                                                          \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_PERIOD | \
	 PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER)

static const struct record_layout side = {SIDE_TYPE, 0};
static const struct record_layout sample = {SAMPLE_TYPE, 2};

/* A record under construction, 64-bit words. */
struct build {
	uint64_t w[64];
	unsigned n;
};

static void begin(struct build *b, uint32_t type, uint16_t misc)
{
	struct perf_event_header h = {type, misc, 0};

	memset(b, 0, sizeof(*b));
	memcpy(&b->w[0], &h, 8);
	b->n = 1;
}

static void put(struct build *b, uint64_t v)
{
	b->w[b->n++] = v;
}

static uint64_t pair(uint32_t lo, uint32_t hi)
{
	return lo | (uint64_t)hi << 32;
}

static struct perf_event_header *finish(struct build *b)
{
	struct perf_event_header *h = (struct perf_event_header *)(void *)b->w;

	h->size = (uint16_t)(b->n * 8);
	return h;
}

static void put_trailer(struct build *b, uint32_t pid, uint32_t tid, uint64_t time, uint64_t id)
{
	put(b, pair(pid, tid));
	put(b, time);
	put(b, id);
}

static struct perf_event_header *comm_record(struct build *b, const char *name, uint64_t time)
{
	begin(b, PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC);
	put(b, pair(10, 11));
	memcpy(&b->w[b->n], name, strlen(name) + 1);
	b->n += (unsigned)(strlen(name) + 8) / 8;
	put_trailer(b, 10, 11, time, 77);
	return finish(b);
}

static struct perf_event_header *sample_record(struct build *b)
{
	begin(b, PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
	put(b, 5);            /* identifier */
	put(b, 0x401000);     /* ip */
	put(b, pair(10, 11)); /* pid, tid */
	put(b, 1234);         /* time */
	put(b, 999);          /* period */
	put(b, 2);            /* callchain: count */
	put(b, PERF_CONTEXT_USER);
	put(b, 0x401000);
	put(b, PERF_SAMPLE_REGS_ABI_64);
	put(b, 0x7fff0000);
	put(b, 0x401000);
	put(b, 16); /* stack: size, bytes, really copied */
	put(b, 0x1111);
	put(b, 0x2222);
	put(b, 8);
	return finish(b);
}

static void a_sample_is_decoded_field_by_field(void **state)
{
	struct build b;
	struct record r;

	(void)state;
	assert_int_equal(record_decode(sample_record(&b), &sample, &r), 0);
	assert_int_equal(r.kind, RECORD_SAMPLE);
	assert_int_equal(r.id, 5);
	assert_int_equal(r.pid, 10);
	assert_int_equal(r.tid, 11);
	assert_int_equal(r.time, 1234);
	assert_int_equal(r.u.sample.ip, 0x401000);
	assert_int_equal(r.u.sample.period, 999);
	assert_int_equal(r.u.sample.n_chain, 2);
	assert_int_equal(r.u.sample.regs[1], 0x401000);
	assert_int_equal(r.u.sample.stack_size, 8);
	assert_int_equal(r.u.sample.stack_room, 16);
	assert_true(r.u.sample.user);
	assert_int_equal(record_time_offset(PERF_RECORD_SAMPLE, b.n * 8, &sample), 32);
}

static void a_sample_cut_anywhere_is_refused(void **state)
{
	struct build b;
	struct record r;
	unsigned words;

	(void)state;
	for (words = 1; words < 16; words++) {
		struct perf_event_header *h = sample_record(&b);

		h->size = (uint16_t)(words * 8);
		assert_int_equal(record_decode(h, &sample, &r), -EBADMSG);
	}
}

static void lengths_that_lie_are_refused(void **state)
{
	static const unsigned count_word = 6, stack_word = 12, copied_word = 15;
	struct build b;
	struct record r;

	(void)state;
	sample_record(&b);
	b.w[count_word] = UINT64_MAX / 8 + 2; /* times 8 overflows to 8 */
	assert_int_equal(record_decode((void *)b.w, &sample, &r), -EBADMSG);
	sample_record(&b);
	b.w[stack_word] = UINT64_MAX;
	assert_int_equal(record_decode((void *)b.w, &sample, &r), -EBADMSG);
	sample_record(&b);
	b.w[copied_word] = 17;
	assert_int_equal(record_decode((void *)b.w, &sample, &r), -EBADMSG);
}

static void a_layout_we_do_not_know_is_refused(void **state)
{
	static const struct record_layout odd = {SAMPLE_TYPE | PERF_SAMPLE_RAW, 2};
	struct build b;
	struct record r;

	(void)state;
	assert_int_equal(record_decode(sample_record(&b), &odd, &r), -ENOTSUP);
}

static void a_comm_record_has_name_exec_and_time(void **state)
{
	struct build b;
	struct record r;

	(void)state;
	assert_int_equal(record_decode(comm_record(&b, "a long name", 42), &side, &r), 0);
	assert_int_equal(r.kind, RECORD_COMM);
	assert_string_equal(r.u.comm.name, "a long name");
	assert_true(r.u.comm.exec);
	assert_int_equal(r.time, 42);
	assert_int_equal(r.id, 77);
}

static void a_name_without_end_is_refused(void **state)
{
	struct build b;
	struct record r;

	(void)state;
	begin(&b, PERF_RECORD_COMM, 0);
	put(&b, pair(1, 1));
	put(&b, UINT64_MAX);
	put_trailer(&b, 1, 1, 1, 1);
	assert_int_equal(record_decode(finish(&b), &side, &r), -EBADMSG);
}

static struct perf_event_header *mmap_record(struct build *b, uint64_t start, uint64_t len)
{
	begin(b, PERF_RECORD_MMAP2, 0);
	put(b, pair(10, 11));
	put(b, start);
	put(b, len);
	put(b, 0x2000);
	put(b, pair(8, 1));
	put(b, 4711);
	put(b, 3);
	put(b, pair(PROT_READ | PROT_EXEC, 2));
	memcpy(&b->w[b->n++], "/lib/x", 7);
	put_trailer(b, 10, 11, 50, 1);
	return finish(b);
}

static void an_mmap_record_has_range_identity_and_path(void **state)
{
	struct build b;
	struct record r;

	(void)state;
	assert_int_equal(record_decode(mmap_record(&b, 0x1000, 0x3000), &side, &r), 0);
	assert_int_equal(r.kind, RECORD_MMAP);
	assert_int_equal(r.u.mmap.len, 0x3000);
	assert_int_equal(r.u.mmap.maj, 8);
	assert_int_equal(r.u.mmap.min, 1);
	assert_int_equal(r.u.mmap.ino, 4711);
	assert_int_equal(r.u.mmap.ino_generation, 3);
	assert_string_equal(r.u.mmap.path, "/lib/x");
	assert_int_equal(record_decode(mmap_record(&b, UINT64_MAX, 2), &side, &r), -EBADMSG);
	assert_int_equal(record_decode(mmap_record(&b, 4096, 0), &side, &r), -EBADMSG);
}

/* ---- rings ---- */

static void a_record_that_wraps_is_made_whole(void **state)
{
	static uint64_t scratch[RING_RECORD_MAX / 8];
	uint8_t data[128];
	struct build b;
	struct perf_event_header *h = comm_record(&b, "wrapped", 7), hdr;
	struct ring *ring;
	struct record r;
	uint64_t tail = 1000 * 128 + 100; /* positions run on, they are not taken modulo the size */
	size_t i;

	(void)state;
	for (i = 0; i < h->size; i++)
		data[(tail + i) % 128] = ((uint8_t *)h)[i];
	assert_int_equal(ring_new_memory(&ring, data, sizeof(data), tail, tail + h->size), 0);
	assert_int_equal(ring_peek(ring, &hdr), 1);
	assert_int_equal(record_decode(ring_record(ring, scratch), &side, &r), 0);
	assert_string_equal(r.u.comm.name, "wrapped");
	ring_consume(ring);
	assert_int_equal(ring_peek(ring, &hdr), 0);
	ring_free(ring);
}

static void an_impossible_size_loses_the_position_only_once(void **state)
{
	uint64_t data[16] = {0};
	struct perf_event_header bad = {PERF_RECORD_COMM, 0, 4}, hdr;
	struct ring *ring;

	(void)state;
	memcpy(data, &bad, sizeof(bad));
	assert_int_equal(ring_new_memory(&ring, data, sizeof(data), 0, 64), 0);
	assert_int_equal(ring_peek(ring, &hdr), -EBADMSG);
	assert_int_equal(ring_peek(ring, &hdr), 0);
	ring_free(ring);
}

/* ---- order ---- */

static size_t append(uint8_t *ring, size_t at, const struct perf_event_header *h)
{
	memcpy(ring + at, h, h->size);
	return at + h->size;
}

static void records_of_several_rings_come_by_time(void **state)
{
	static uint8_t data[3][1024];
	static const uint64_t times[3][4] = {{10, 40, 70, 100}, {20, 50, 80, 110}, {5, 60, 61, 200}};
	static const uint64_t want[] = {5, 10, 20, 40, 50, 60, 61, 70, 80};
	struct order_source src[3] = {0}, *from;
	struct order *order;
	struct record r;
	struct build b;
	unsigned i, j;

	(void)state;
	for (i = 0; i < 3; i++) {
		size_t end = 0;

		for (j = 0; j < 4; j++)
			end = append(data[i], end, comm_record(&b, "x", times[i][j]));
		assert_int_equal(ring_new_memory(&src[i].ring, data[i], sizeof(data[i]), 0, end), 0);
		src[i].layout = &side;
		src[i].side_band = i == 1;
	}
	assert_int_equal(order_new(&order, src, 3), 0);
	order_begin(order, 100); /* what is not older stays for the next round */
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(order_next(order, &r, &from), 1);
		assert_int_equal(r.time, want[i]);
	}
	assert_int_equal(order_next(order, &r, &from), 0);
	order_begin(order, UINT64_MAX);
	for (i = 0; order_next(order, &r, &from); i++)
		assert_true(r.time >= 100);
	assert_int_equal(i, 3);
	order_free(order);
	for (i = 0; i < 3; i++)
		ring_free(src[i].ring);
}

static void a_malformed_record_costs_only_itself(void **state)
{
	static uint8_t data[1024];
	struct order_source src = {0}, *from;
	struct order *order;
	struct record r;
	struct build b;
	size_t end;

	(void)state;
	end = append(data, 0, comm_record(&b, "one", 1));
	end = append(data, end, mmap_record(&b, UINT64_MAX, 2));
	end = append(data, end, comm_record(&b, "two", 60));
	assert_int_equal(ring_new_memory(&src.ring, data, sizeof(data), 0, end), 0);
	src.layout = &side;
	assert_int_equal(order_new(&order, &src, 1), 0);
	order_begin(order, UINT64_MAX);
	assert_int_equal(order_next(order, &r, &from), 1);
	assert_int_equal(r.time, 1);
	assert_int_equal(order_next(order, &r, &from), 1);
	assert_int_equal(r.time, 60);
	assert_int_equal(order_next(order, &r, &from), 0);
	assert_int_equal(src.malformed, 1);
	order_free(order);
	ring_free(src.ring);
}

/* ---- /proc ---- */

static void lines_of_proc_maps_are_parsed(void **state)
{
	char lib[] = "7f00-8f00 r-xp 00001000 fe:01 1234                       /usr/lib/a b.so (deleted)";
	char anon[] = "7f00-8f00 rwxp 00000000 00:00 0 ";
	char newline[] = "7f00-8f00 r--p 00000000 00:00 9 /tmp/x\\012y";
	char bad[] = "8f00-7f00 r-xp 00000000 00:00 0 ";
	struct procfs_map m;

	(void)state;
	assert_true(procfs_parse_map(lib, &m));
	assert_int_equal(m.start, 0x7f00);
	assert_int_equal(m.pgoff, 0x1000);
	assert_int_equal(m.maj, 0xfe);
	assert_int_equal(m.ino, 1234);
	assert_true(m.exec);
	assert_string_equal(m.path, "/usr/lib/a b.so (deleted)");
	assert_true(procfs_parse_map(anon, &m));
	assert_string_equal(m.path, "//anon");
	assert_true(procfs_parse_map(newline, &m));
	assert_string_equal(m.path, "/tmp/x\ny");
	assert_false(m.exec);
	assert_false(procfs_parse_map(bad, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sample_is_decoded_field_by_field),
		cmocka_unit_test(a_sample_cut_anywhere_is_refused),
		cmocka_unit_test(lengths_that_lie_are_refused),
		cmocka_unit_test(a_layout_we_do_not_know_is_refused),
		cmocka_unit_test(a_comm_record_has_name_exec_and_time),
		cmocka_unit_test(a_name_without_end_is_refused),
		cmocka_unit_test(an_mmap_record_has_range_identity_and_path),
		cmocka_unit_test(a_record_that_wraps_is_made_whole),
		cmocka_unit_test(an_impossible_size_loses_the_position_only_once),
		cmocka_unit_test(records_of_several_rings_come_by_time),
		cmocka_unit_test(a_malformed_record_costs_only_itself),
		cmocka_unit_test(lines_of_proc_maps_are_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
