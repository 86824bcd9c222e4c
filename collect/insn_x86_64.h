/* SPDX-License-Identifier: Apache-2.0 */
/*
 * insn_x86_64.h - how long an instruction is, and its parts. 64-bit mode only.
 *
 * Knows the encodings (legacy, VEX, EVEX), not the instructions: what has no
 * length by Intel SDM volume 2, appendix A, is refused, the rest is accepted.
 */
#ifndef COLLECT_INSN_X86_64_H
#define COLLECT_INSN_X86_64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSN_MAX 15

struct insn {
	uint8_t len;
	uint8_t map;    /* 0: one byte; 1: 0f; 2: 0f 38; 3: 0f 3a; VEX and EVEX as they say */
	uint8_t opcode; /* the last byte of it */
	bool wide;      /* REX.W */
	bool vector;    /* VEX or EVEX */
	bool short_imm; /* operand-size prefix */
	bool has_modrm;
	uint8_t mod, reg, rm; /* reg and rm with their REX bits; rm is the base when there is a SIB byte */
	bool has_index;       /* SIB with an index register */
	bool no_base;         /* memory operand without a base, or relative to the next instruction */
	bool rip_relative;
	int32_t disp;
	int64_t imm; /* or jump distance; sign-extended */
};

/* False when @n bytes at @p hold no whole instruction. */
bool insn_decode(const uint8_t *p, size_t n, struct insn *out);

#endif
