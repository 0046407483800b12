-- Traces that allocate: tables, strings and sinks for both.
local kept = {}
for i = 1, 300000 do kept[i % 5000 + 1] = { i, tostring(i) } end
local sum, text = 0, {}
for i = 1, 5000 do
    sum = sum + kept[i][1]
    text[i] = kept[i][2]:reverse()
end
collectgarbage()
print(sum, #table.concat(text), jit.status())
