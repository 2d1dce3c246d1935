-- SPDX-License-Identifier: MIT
-- work.lua - work of many kinds that checks itself, a line for each step; what it says is the same
-- wherever it runs.

local STEPS = 48
local seed = 1

local function random(n)
	seed = (seed * 1103515245 + 12345) % 2147483648
	return seed // 65536 % n
end

-- Closures, each with a number of its own.
local function closures()
	local made, sum = {}, 0
	for i = 1, 2000 do
		local count = i
		made[i] = function() count = count + 1 return count end
	end
	for round = 1, 3 do
		for i = 1, #made do assert(made[i]() == i + round) sum = sum + i end
	end
	return sum
end

-- Primes, through a chain of coroutines.
local function coroutines()
	local function numbers() for i = 2, 700 do coroutine.yield(i) end end
	local function filter(prime, source)
		return coroutine.wrap(function()
			for number in source do
				if number % prime ~= 0 then coroutine.yield(number) end
			end
		end)
	end
	local source, sum = coroutine.wrap(numbers), 0
	while true do
		local prime = source()
		if not prime or prime > 26 then break end
		sum = sum + prime
		source = filter(prime, source)
	end
	for number in source do sum = sum + number end
	return sum
end

-- Patterns over a text that was made here.
local function patterns()
	local words, text = {}, nil
	for i = 1, 800 do words[i] = ("w%dx%s"):format(random(1000), ("ab"):rep(random(4))) end
	text = table.concat(words, " ")
	local count, digits = 0, 0
	for number, letters in text:gmatch("w(%d+)x(%a*)") do
		count, digits = count + 1, digits + #number + #letters
	end
	assert(count == 800)
	local back, replaced = text:gsub("w(%d+)x", "<%1>")
	assert(replaced == 800 and back:gsub("<(%d+)>", "w%1x") == text)
	assert(text:find("w%d+x", 100) and not text:find("[^wxab%d ]"))
	return digits
end

local function format()
	local made = {}
	for i = 1, 300 do
		made[#made + 1] = string.format("%5d|%-8s|%.6f|%g|%x|%q", i, ("s"):rep(i % 9),
			i / 7, i * 1e10, i * 255, "a\n" .. i)
	end
	local text = table.concat(made)
	return #text, string.pack("<i4d", 7, 0.5):byte(1), tonumber("0x1p-2") + math.pi // 1
end

-- Much garbage, among which something stays.
local function pressure()
	local kept, sum = {}, 0
	for i = 1, 5000 do
		local garbage = {i, tostring(i), {i}}
		if i % 100 == 0 then kept[#kept + 1] = garbage end
	end
	collectgarbage()
	for _, one in ipairs(kept) do
		assert(one[2] == tostring(one[1]) and one[3][1] == one[1])
		sum = sum + one[1]
	end
	return sum
end

local function sort(size)
	local numbers = {}
	for i = 1, size do numbers[i] = random(32768) * 32768 + random(32768) end
	local sum = 0
	for i = 1, size do sum = sum + numbers[i] end
	table.sort(numbers)
	for i = 2, size do
		assert(numbers[i - 1] <= numbers[i])
		sum = sum - numbers[i]
	end
	assert(sum == numbers[1])
	return numbers[size // 2]
end

local function big()
	local by_name = {}
	for i = 1, 5000 do by_name["name" .. i] = i end
	for i = 1, 5000, 2 do by_name["name" .. i] = nil end
	local count, sum = 0, 0
	for name, number in pairs(by_name) do
		assert(name == "name" .. number)
		count, sum = count + 1, sum + number
	end
	return count, sum
end

local function failing()
	local good, why = pcall(function() local nothing = nil; return nothing.field end)
	assert(not good and why:find("nil value"))
	local thrown = {}
	good, why = pcall(error, thrown)
	assert(not good and why == thrown)
	return select("#", pcall(string.rep, "x", -1))
end

local kinds = {closures, coroutines, patterns, format, pressure, big, failing,
	function() return sort(10000) end}
local answer = 0
for step = 1, STEPS do
	local results = table.pack(kinds[(step - 1) % #kinds + 1]())
	for i = 1, results.n do answer = (answer * 31 + math.tointeger(results[i] // 1)) % 1000000007 end
	print(string.format("step %d of %d: %d", step, STEPS, answer))
end
print(string.format("sorted 100000: %d", sort(100000)))
print(string.format("the answer is %d", answer))
