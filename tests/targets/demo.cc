// SPDX-License-Identifier: Apache-2.0
//
// demo.cc - the program that `make run` profiles: a small n-queens, tree and
// matrix mix with threads, deep recursion, virtual and inlined calls.
// Built -O2 without frame pointers. Arguments: seconds to run (default 3), or
// -n ROUNDS for a fixed amount of work per thread.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <pthread.h>
#include <thread>
#include <vector>

namespace demo
{

std::atomic<bool> stop{false};
long rounds = 0; // 0: until stop

static bool more(long done)
{
	return rounds ? done < rounds : !stop;
}

std::atomic<std::uint64_t> result{0};

// Inlined twice into its caller: the profile names it all the same.
static inline std::uint64_t mix(std::uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	return x ^ (x >> 29);
}

static inline std::uint64_t mix_twice(std::uint64_t x)
{
	return mix(mix(x) + 0x9e3779b97f4a7c15ULL);
}

class Shape
{
      public:
	virtual ~Shape() = default;
	virtual std::uint64_t area(std::uint64_t seed) const = 0;
};

class Square : public Shape
{
      public:
	__attribute__((noinline)) std::uint64_t area(std::uint64_t seed) const override
	{
		for (int i = 0; i < 2000; i++)
			seed = mix_twice(seed);
		return seed;
	}
};

struct Node {
	std::uint64_t key;
	std::unique_ptr<Node> left, right;
};

__attribute__((noinline)) void insert(std::unique_ptr<Node> &root, std::uint64_t key)
{
	if (!root)
		root.reset(new Node{key, nullptr, nullptr});
	else
		insert(key < root->key ? root->left : root->right, key);
}

template <typename T> __attribute__((noinline)) T depth(const std::unique_ptr<Node> &root)
{
	if (!root)
		return 0;
	return 1 + std::max(depth<T>(root->left), depth<T>(root->right));
}

// A recursion some hundred frames deep with work at its end.
__attribute__((noinline)) std::uint64_t descend(unsigned level, std::uint64_t seed)
{
	if (!level) {
		for (int i = 0; i < 20000; i++)
			seed = mix(seed);
		return seed;
	}
	seed = descend(level - 1, seed + level);
	return seed ^ (seed >> 7) ^ level; // not a form that compilers turn into a loop
}

int queens(int n, int row, unsigned cols, unsigned left, unsigned right)
{
	int found = 0;

	if (row == n)
		return 1;
	for (unsigned free = ~(cols | left | right) & ((1u << n) - 1); free; free &= free - 1) {
		unsigned bit = free & -free;

		found += queens(n, row + 1, cols | bit, (left | bit) << 1, (right | bit) >> 1);
	}
	return found;
}

void tree_worker()
{
	std::uint64_t seed = 42;

	pthread_setname_np(pthread_self(), "tree");
	for (long n = 0; more(n); n++) {
		std::unique_ptr<Node> root;

		for (int i = 0; i < 20000; i++)
			insert(root, seed = mix(seed));
		result += depth<std::uint64_t>(root);
	}
}

void shape_worker()
{
	std::unique_ptr<Shape> shape(new Square);
	std::uint64_t seed = 7;

	pthread_setname_np(pthread_self(), "shapes");
	for (long n = 0; more(n / 2000); n++)
		result += seed = shape->area(seed);
}

void sort_worker()
{
	std::vector<std::uint64_t> v(100000);
	std::uint64_t seed = 1;

	pthread_setname_np(pthread_self(), "sort");
	for (long n = 0; more(n); n++) {
		for (auto &x : v)
			x = seed = mix(seed);
		std::sort(v.begin(), v.end(), [](std::uint64_t a, std::uint64_t b) { return mix(a) < mix(b); });
		result += v[v.size() / 2];
	}
}

} // namespace demo

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? std::atof(argv[1]) : 3;

	if (argc > 2 && !std::strcmp(argv[1], "-n"))
		demo::rounds = std::atol(argv[2]);
	auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
	std::vector<std::thread> threads;

	threads.emplace_back(demo::tree_worker);
	threads.emplace_back(demo::shape_worker);
	threads.emplace_back(demo::sort_worker);
	for (long n = 0; demo::rounds ? n < demo::rounds * 20 : std::chrono::steady_clock::now() < end; n++) {
		demo::result += demo::descend(300, 1);
		demo::result += static_cast<unsigned>(demo::queens(9, 0, 0, 0, 0));
	}
	demo::stop = true;
	for (auto &t : threads)
		t.join();
	std::printf("demo: done, checksum %s\n", demo::result.load() ? "ok" : "empty");
	return 0;
}
