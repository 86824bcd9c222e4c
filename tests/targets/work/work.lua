-- SPDX-License-Identifier: Apache-2.0
-- work.lua - recursion, sorting with a callback, strings and loops. Argument: CPU seconds.
local stop = os.clock() + (tonumber(arg[1]) or 2)
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
local sum = 0
while os.clock() < stop do
	sum = sum + fib(22)
	local t = {}
	for i = 1, 3000 do t[i] = (i * 7919) % 3001 end
	table.sort(t, function(a, b) return a < b end)
	local s = {}
	for i = 1, 1000 do s[#s + 1] = string.format("%d-%s", i, tostring(t[i])) end
	sum = sum + #table.concat(s)
	for i = 1, 100000 do sum = sum + i % 7 end
end
