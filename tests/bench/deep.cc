// SPDX-License-Identifier: Apache-2.0
//
// deep.cc - the program of about 50 frames that bench-unwind samples: a
// recursive-descent parser, an evaluator with virtual calls, std::function,
// std::map and std::sort below one another. Argument: seconds of CPU time.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#define NOINLINE __attribute__((noinline))

namespace
{

struct Env {
	std::map<std::string, long> names;
	std::vector<long> scratch;
	std::uint64_t seed = 1;

	NOINLINE long random(long below)
	{
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		return static_cast<long>((seed >> 33) % static_cast<std::uint64_t>(below));
	}
};

struct Node {
	virtual ~Node() = default;
	virtual long eval(Env &env) const = 0;
};

using NodePtr = std::unique_ptr<Node>;

struct Number : Node {
	long v;
	explicit Number(long n) : v(n) {}
	NOINLINE long eval(Env &env) const override
	{
		env.scratch.clear();
		for (int i = 0; i < 24; i++)
			env.scratch.push_back(env.random(1000) + v);
		std::sort(env.scratch.begin(), env.scratch.end(), [](long a, long b) { return a % 97 < b % 97; });
		return env.scratch[3];
	}
};

struct Name : Node {
	std::string name;
	explicit Name(std::string n) : name(std::move(n)) {}
	NOINLINE long eval(Env &env) const override
	{
		long sum = 0;
		for (int i = 0; i < 4; i++)
			sum += env.names[name + std::to_string(env.random(50))]++;
		return sum;
	}
};

struct Binary : Node {
	char op;
	NodePtr left, right;
	Binary(char o, NodePtr l, NodePtr r) : op(o), left(std::move(l)), right(std::move(r)) {}
	NOINLINE long eval(Env &env) const override
	{
		long a = left->eval(env), b = right->eval(env);
		return op == '+' ? a + b : op == '*' ? a * (b & 15) : a - b;
	}
};

struct Call : Node {
	NodePtr arg;
	explicit Call(NodePtr a) : arg(std::move(a)) {}
	NOINLINE long eval(Env &env) const override
	{
		std::function<long(long)> again = [&](long n) -> long {
			return n ? again(n - 1) + 1 : arg->eval(env);
		};
		return again(3 + env.random(4));
	}
};

class Parser
{
      public:
	Parser(const std::string &text, Env &env) : p_(text.c_str()), env_(env) {}

	NOINLINE NodePtr expression()
	{
		NodePtr left = term();
		while (*p_ == '+' || *p_ == '-') {
			char op = *p_++;
			left = std::make_unique<Binary>(op, std::move(left), term());
		}
		return left;
	}

      private:
	NOINLINE NodePtr term()
	{
		NodePtr left = primary();
		while (*p_ == '*') {
			p_++;
			left = std::make_unique<Binary>('*', std::move(left), primary());
		}
		return left;
	}

	NOINLINE NodePtr primary()
	{
		if (*p_ == '(') {
			p_++;
			NodePtr inner = expression();
			p_++;
			return inner;
		}
		if (*p_ == 'f') {
			p_ += 2;
			NodePtr inner = std::make_unique<Call>(expression());
			p_++;
			// What was parsed is tried at once: evaluation below parsing.
			inner->eval(env_);
			return inner;
		}
		if (*p_ >= '0' && *p_ <= '9')
			return std::make_unique<Number>(std::strtol(p_, const_cast<char **>(&p_), 10));
		return std::make_unique<Name>(std::string(1, *p_++));
	}

	const char *p_;
	Env &env_;
};

NOINLINE void write_text(std::string &to, int depth, Env &env)
{
	static const char ops[] = "+-*";

	if (depth <= 0 || (depth < 6 && env.random(4) == 0)) {
		to += env.random(2) ? std::to_string(env.random(900) + 1) : std::string(1, 'a' + env.random(5));
		return;
	}
	to += env.random(3) ? "(" : "f(";
	write_text(to, depth - 1, env);
	to += ops[env.random(3)];
	write_text(to, depth - 1 - static_cast<int>(env.random(4)) * 2, env);
	to += ")";
}

} // namespace

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? std::atof(argv[1]) : 2;
	std::clock_t end = std::clock() + static_cast<std::clock_t>(seconds * CLOCKS_PER_SEC);
	long sum = 0;
	Env env;

	while (std::clock() < end) {
		std::string text;
		write_text(text, 11, env);
		sum += Parser(text, env).expression()->eval(env);
	}
	std::printf("%ld\n", sum);
	return 0;
}
