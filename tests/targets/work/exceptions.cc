// SPDX-License-Identifier: Apache-2.0
//
// exceptions.cc - CPU time while C++ exceptions are in flight, and in longjmp's
// and vfork's neighbourhood. Argument: CPU seconds.
#include <cstdlib>
#include <ctime>
#include <setjmp.h>
#include <stdexcept>
#include <string>

static volatile unsigned sink;
static jmp_buf back;

struct Guard {
	~Guard() { sink = sink + 1; }
};

__attribute__((noinline)) static void deep(int n)
{
	Guard g;

	if (!n)
		throw std::runtime_error("at the bottom of " + std::to_string(sink));
	deep(n - 1);
	sink = sink + 1;
}

__attribute__((noinline)) static void jump(int n)
{
	if (!n)
		longjmp(back, 1);
	jump(n - 1);
	sink = sink + 1;
}

int main(int argc, char **argv)
{
	clock_t end = clock() + (clock_t)((argc > 1 ? atof(argv[1]) : 2) * CLOCKS_PER_SEC);

	while (clock() < end) {
		try {
			deep(20);
		} catch (const std::exception &e) {
			sink = sink + (unsigned)e.what()[0];
		}
		for (volatile int i = 0; i < 100; i = i + 1)
			if (!setjmp(back))
				jump(20);
	}
	return 0;
}
