/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ratios.h - one event per another, function by function: instructions per cycle, misses per
 * thousand instructions, ns per instruction, faults per second of CPU time.
 *
 * From own values only. Each event was sampled by itself, so both sides of a
 * ratio are estimates: one is given only where both rest on at least
 * RATIOS_MIN_SAMPLES samples (the standard error of each is then 20 % or less).
 * How many samples a value stands for is told by a type that counts them
 * (cpu-samples, cycles_sample), else by the comments `ddprof.event.NAME.samples`
 * or `.period`, else by the file's period; without any of these each stack with
 * a value is one sample, the least it can be.
 */
#ifndef EXPORT_RATIOS_H
#define EXPORT_RATIOS_H

#include "export/functions.h"
#include "export/pprof.h"

#include <stdint.h>

#define RATIOS_MIN_SAMPLES 25
#define RATIOS_MAX         12
#define RATIOS_SIDES_MAX   16

struct totals;

struct ratios {
	struct ratio {
		char heading[56];     /* "IPC", "LLC/ki", "ns/instr", "IPC:u" */
		uint32_t over, under; /* into sides */
		double factor;        /* of over / under */
		bool rows_only; /* the whole profile's values are not of the same mode, functions' are */
	} list[RATIOS_MAX];
	uint32_t n;
	struct ratio_side {
		uint32_t type;   /* index of the sample type */
		uint32_t counts; /* into sides: of the type that counts its samples; UINT32_MAX: none */
		double weight;   /* mean value of a sample; 0: unknown */
		double scale;    /* seconds in the unit of a time; else 1 */
	} sides[RATIOS_SIDES_MAX];
	uint32_t n_sides;
	uint32_t types[RATIOS_SIDES_MAX]; /* of the sides, as functions_spec.also wants them */
};

/*
 * Which ratios the sample types of @p allow: of events that count in the same place. CPU time without
 * the kernel's part holds that under a name of its own, so functions' CPU time goes with events of user mode.
 * Which they are is told by @totals, of the same file.
 */
void ratios_find(struct ratios *r, const struct pprof *p, const struct totals *totals);

/* Ratio @i from @own, the values of the sides; false: too few samples. */
bool ratios_value(const struct ratios *r, uint32_t i, const struct functions_own *own, double *out);

/*
 * Print them for the whole profile and for the first @top rows (0: all) of @f,
 * made with r->types as spec.also; rows that have none are left out and
 * counted. As functions_print(); ratios that do not fit the @columns are left out.
 */
int ratios_print(const struct ratios *r, const struct functions *f, uint32_t top, unsigned columns,
		 struct buf *out);

/* A ratio for people: three digits that count. */
void ratios_format(double v, char *out, size_t len);

#endif
