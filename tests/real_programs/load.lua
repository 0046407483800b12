-- Run inside redis-server: strings that grow, lists, hashes, sets, sorted sets
-- and expiry by deletion; answers a digest of what is left.
local state = 1
local function draw(limit)
    state = (state * 16807) % 2147483647
    return state % limit
end
for count = 1, 15000 do
    local key = tostring(draw(2000))
    redis.call('SET', 's' .. key, string.rep(key, 1 + draw(60)))
    redis.call('APPEND', 's' .. tostring(draw(2000)), string.rep('+', draw(200)))
    redis.call('RPUSH', 'l' .. tostring(draw(50)), key)
    redis.call('LPOP', 'l' .. tostring(draw(150)))
    redis.call('HSET', 'h' .. tostring(draw(50)), key, count)
    redis.call('SADD', 't' .. tostring(draw(50)), key)
    redis.call('ZADD', 'z' .. tostring(draw(20)), draw(100000), key)
    redis.call('DEL', 's' .. tostring(draw(4000)))
end
local parts = {}
for number = 0, 1999 do
    parts[#parts + 1] = redis.call('GET', 's' .. number) or '-'
end
for number = 0, 49 do
    parts[#parts + 1] = table.concat(redis.call('LRANGE', 'l' .. number, 0, -1), ',')
    local members = redis.call('SMEMBERS', 't' .. number)
    table.sort(members)
    parts[#parts + 1] = table.concat(members, ',')
    local fields = redis.call('HKEYS', 'h' .. number)
    table.sort(fields)
    for _, field in ipairs(fields) do
        parts[#parts + 1] = redis.call('HGET', 'h' .. number, field)
    end
end
for number = 0, 19 do
    parts[#parts + 1] = table.concat(redis.call('ZRANGE', 'z' .. number, 0, -1, 'WITHSCORES'), ',')
end
return redis.sha1hex(table.concat(parts, ';')) .. ' ' .. redis.call('DBSIZE')
