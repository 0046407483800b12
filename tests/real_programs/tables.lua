-- Strings by the thousand, tables that grow and are dropped, coroutines.
local state = 7
local function draw(limit)
    state = (state * 16807) % 2147483647
    return state % limit
end
local sum = 0
for round = 1, 30 do
    local words = {}
    for count = 1, 3000 do
        words[count] = string.rep(string.char(97 + draw(26)), draw(40)) .. draw(1000)
    end
    table.sort(words)
    local text = table.concat(words, ' ')
    for word in text:gmatch('%a+') do
        sum = (sum * 31 + #word) % 1000003
    end
end
local producers = {}
for at = 1, 500 do
    producers[at] = coroutine.wrap(function()
        for step = 1, 20 do
            coroutine.yield(('x'):rep(draw(300)))
        end
    end)
end
for step = 1, 20 do
    for at = 1, 500 do
        sum = (sum + #producers[at]()) % 1000003
    end
end
print(sum)
