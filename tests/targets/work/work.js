// SPDX-License-Identifier: Apache-2.0
// work.js - recursion, objects, sorting, JSON and regular expressions. Argument: seconds.
const end = Date.now() + (+process.argv[2] || 2) * 1000;
const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
class Value {
	constructor(x) { this.x = x; }
	add(o) { return new Value(this.x + o.x); }
}
let sum = 0;
while (Date.now() < end) {
	sum += fib(20);
	let v = new Value(1);
	for (let i = 0; i < 20000; i++)
		v = v.add(new Value(i));
	const a = Array.from({ length: 2000 }, (_, i) => ({ k: "k" + (i * 7919 % 2003), v: i }));
	a.sort((p, q) => (p.k < q.k ? -1 : 1));
	sum += JSON.parse(JSON.stringify(a)).length + v.x;
	sum += "aXbXc".repeat(300).replace(/X(.)/g, (m, c) => c.toUpperCase()).length;
}
