-- Tables of records, strings built from parts, closures and coroutines.
local count = tonumber(arg[1])
local seed = 97
local function below(limit)
  seed = (seed * 1103515245 + 12345) % 2147483648
  return seed // 65536 % limit
end

local records, by_name = {}, {}
for i = 1, count do
  local name = "name" .. below(count) .. "-" .. i % 13
  local record = { name = name, values = {}, next = by_name[name] }
  for v = 1, below(8) do record.values[v] = v * i end
  records[#records + 1] = record
  by_name[name] = record
end

local function words(text)
  return coroutine.wrap(function()
    for word in text:gmatch("%w+") do coroutine.yield(word) end
  end)
end

local seen, parts, adders = {}, {}, {}
for i, record in ipairs(records) do
  parts[#parts + 1] = record.name:upper():gsub("E", "e") .. " " .. i
  if #parts == 50 then
    local text = table.concat(parts, ",")
    for word in words(text) do seen[word] = (seen[word] or 0) + 1 end
    parts = {}
    adders[#adders % 200 + 1] = function(n) return n + #text end
  end
end
table.sort(records, function(a, b)
  if a.name == b.name then return #a.values < #b.values end
  return a.name < b.name
end)
local sum, distinct = 0, 0
for _, n in pairs(seen) do sum, distinct = sum + n, distinct + 1 end
for _, add in ipairs(adders) do sum = add(sum) end
print(sum, distinct, records[1].name, #records[#records].values)
