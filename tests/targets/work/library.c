/* SPDX-License-Identifier: Apache-2.0 */
/* library.c - one function, named by -DNAME, behind another one: for modules.c. */
__attribute__((noinline)) static unsigned inside(unsigned n)
{
	volatile unsigned v = n;

	while (n--)
		v = v * 3 + n;
	return v;
}

unsigned NAME(unsigned n)
{
	return inside(n) + 1;
}
