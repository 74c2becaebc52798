/*
 * The Lua scripts of the counters.  Each runs as a whole or not at all: Redis
 * refuses the first write when it cannot serve writes, and nothing here
 * fails after it.
 *
 * Keys of a project, P standing for its id:
 *	project:P		hash: version, version_ms; gen, dead, keys, f:HOST;
 *				set_ms, when an operator set the month
 *	ratelimit:P:MINUTE	calls admitted in a minute
 *	ratelimit:P:sliding	sorted set: event ids by time, the last 60 s
 *	ratelimit:P:key:K:...	the same for one API key
 *	quota:P:YYYY-MM		calls of the month
 *	quota:P:keys:YYYY-MM	hash: calls of the month by API key
 *	leases:P		sorted set: event ids by the end of their lease
 *	tokens:P:MINUTE		tokens of a minute
 *	budget:P:YYYY-MM-DD	nano-dollars of a UTC day; P:YYYY-MM: of a month
 *	KIND:P:S:...		of these four, of an API key (S is key:K) or of
 *				a limit rule (S is LETTER:RULE or
 *				LETTER:RULE:HASH of what it counts apart)
 * Numbers are decimal, times are milliseconds of the caller's clock, and what
 * expires is told to Redis as a duration, so a test may set the clock.
 *
 * How the counters stay exact.  The truth is the ledger in PostgreSQL, which
 * consumers fill from the journals a little later.  A generation is one life
 * of a project's counters here: watchllm.counter_begin() gives it a name with
 * a number that rises, and what it begins with, the sums of the ledger.  It
 * does so under the row lock that every drain of that project takes, so for
 * each call there is a before and an after:
 *	drained before the generation began: it is in the sums;
 *	admitted by the generation itself: the gate counted it, and the drain,
 *	    which sees its generation in the call's record, leaves it alone;
 *	admitted by another generation (or by none, without a limiter) and
 *	    drained after: the drain writes a row into watchllm.counter_fixup,
 *	    in the same transaction, which the fix-up script adds here.
 * So each call is counted once, except that calls that were admitted just
 * before the data was lost are missing until they are drained.
 *
 * Each fix-up row is for one generation.  The script adds it only to that
 * one, and remembers the row's number for its host; numbers rise and a host
 * sends its rows in order, so a row that is sent again, because the consumer
 * died after the script ran and before it deleted the row, does nothing.
 * When another generation is in force:
 *	a later one: it began with sums that hold what the row tells (the row
 *	    was deleted by its beginning, the consumer has only read it
 *	    before): nothing to do;
 *	an earlier one, or none: the row's generation began in PostgreSQL but
 *	    never arrived here, or was lost.  It may still be on its way, and
 *	    would then lack the row.  So it is declared dead and the earlier
 *	    one is ended: the next call begins a generation with new sums,
 *	    and a late arrival of a dead one is refused.
 * In each of these cases the row is done with.
 *
 * A generation arrives with the call that found none, in the gate script.  A
 * lower number never replaces a higher one.  Where it replaces an earlier one
 * the month is set, for the fix-ups will add what is not drained; the minute
 * keeps the greater figure, which may count a few calls of one minute twice,
 * and never lets one through too many.
 */
#include "config.h"
#include "lib/store/scripts.h"

/* The number at the end of a generation's name. */
#define LUA_NUMBER \
	"local function number(gen)\n" \
	"  return tonumber(string.match(gen, '%d+$')) or 0\n" \
	"end\n"

/*
 * Add N to the string counter at KEY, never below zero.  Its expiry stays; a
 * new one gets TTL.
 */
#define LUA_ADD \
	"local function add(key, n, ttl)\n" \
	"  local was = redis.call('GET', key)\n" \
	"  n = math.max(n, -tonumber(was or '0'))\n" \
	"  if was or n > 0 then redis.call('INCRBY', key, n) end\n" \
	"  if not was and n > 0 then redis.call('PEXPIRE', key, ttl) end\n" \
	"end\n"

/*
 * What a generation begins with: KEYS from K on, ARGV from AT on, for each
 * key an operation, a time to live, a number of values, and the values.
 *	set	the figure
 *	clear	none
 *	max	the figure, unless a greater one is there
 *	hash	exactly these fields and figures
 *	times	add these times and event ids
 */
#define LUA_INSTALL \
	"local function install(k, at)\n" \
	"  for _, f in ipairs(redis.call('HKEYS', KEYS[1])) do\n" \
	"    if string.sub(f, 1, 2) == 'f:' then\n" \
	"      redis.call('HDEL', KEYS[1], f)\n" \
	"    end\n" \
	"  end\n" \
	"  while ARGV[at] do\n" \
	"    local key, op, ttl = KEYS[k], ARGV[at], ARGV[at + 1]\n" \
	"    local n = tonumber(ARGV[at + 2])\n" \
	"    local v = at + 3\n" \
	"    if op == 'set' then\n" \
	"      redis.call('SET', key, ARGV[v], 'PX', ttl)\n" \
	"    elseif op == 'clear' then\n" \
	"      redis.call('DEL', key)\n" \
	"    elseif op == 'max' then\n" \
	"      local was = redis.call('GET', key)\n" \
	"      if tonumber(was or '0') < tonumber(ARGV[v]) then\n" \
	"        redis.call('SET', key, ARGV[v], 'PX', ttl)\n" \
	"      end\n" \
	"    elseif op == 'hash' then\n" \
	"      redis.call('DEL', key)\n" \
	"      for i = v, v + n - 1, 2 do\n" \
	"        redis.call('HSET', key, ARGV[i], ARGV[i + 1])\n" \
	"      end\n" \
	"      redis.call('PEXPIRE', key, ttl)\n" \
	"    elseif op == 'times' then\n" \
	"      for i = v, v + n - 1, 2 do\n" \
	"        redis.call('ZADD', key, ARGV[i], ARGV[i + 1])\n" \
	"      end\n" \
	"      redis.call('PEXPIRE', key, ttl)\n" \
	"    end\n" \
	"    at = v + n\n" \
	"    k = k + 1\n" \
	"  end\n" \
	"end\n"

/*
 * How much of a row is used: KIND is fixed, key (a field of a hash), sliding
 * or lease.
 */
#define LUA_USED \
	"local function used_of(key, kind, now, id)\n" \
	"  if kind == 'fixed' then\n" \
	"    return tonumber(redis.call('GET', key) or '0')\n" \
	"  elseif kind == 'key' then\n" \
	"    return tonumber(redis.call('HGET', key, id) or '0')\n" \
	"  elseif kind == 'sliding' then\n" \
	"    return redis.call('ZCOUNT', key, '(' .. (now - 60000), '+inf')\n" \
	"  end\n" \
	"  return redis.call('ZCOUNT', key, '(' .. now, '+inf')\n" \
	"end\n" \
	/* when one more would be admitted; 0: the caller knows */ \
	"local function reset_of(key, kind, now, used, limit)\n" \
	"  if kind == 'lease' then return now + 1000 end\n" \
	"  if kind ~= 'sliding' then return 0 end\n" \
	"  if limit <= 0 then return now + 60000 end\n" \
	"  if used < limit then return now end\n" \
	"  local r = redis.call('ZRANGEBYSCORE', key, '(' .. (now - 60000),\n" \
	"    '+inf', 'WITHSCORES', 'LIMIT', used - limit, 1)\n" \
	"  return tonumber(r[2]) + 60000\n" \
	"end\n"

/*
 * The decision about one call.
 * KEYS: the project's hash; one for each row; those of a new generation.
 * ARGV: 1 now; 2 version of the project, as the caller knows it; 3 how well
 *	it knows ("": from its cache; "aged": the same, and PostgreSQL cannot
 *	be asked; "true": just read there); 4 event id; 5 ms of a lease;
 *	6 time to live of the project's hash; 7 id of the API key; 8 name of a
 *	new generation, or ""; 9 number of rows; then for each row kind, limit,
 *	cost, time to live and what must be there already ("month": the key,
 *	"keys": counters of API keys for this version, ""); then what the new
 *	generation begins with.
 * Returns { "STALE", version or "" }: another version is in force or none is
 *	known; { "AGED", version }: nobody has confirmed it for a minute;
 *	{ "LOST" }: there are no counters, a generation must begin; else
 *	{ "OK" or "NO", the first row that refuses or 0, generation,
 *	used, reset, used, reset, ... }.
 */
struct wl_script wl_scripts_gate = { .text =
	LUA_NUMBER
	LUA_INSTALL
	LUA_USED
	"local h, now, n = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[9])\n"
	"local p = redis.call('HMGET', h, 'version', 'version_ms', 'gen',\n"
	"  'dead', 'keys')\n"
	"local version, gen, seed, keys = p[1], p[3], ARGV[8], p[5]\n"

	/* a version is only ever replaced by a later one */
	"if ARGV[3] == 'true' then\n"
	"  if version and tonumber(version) > tonumber(ARGV[2]) then\n"
	"    return { 'STALE', version }\n"
	"  end\n"
	"  redis.call('HSET', h, 'version', ARGV[2], 'version_ms', ARGV[1])\n"
	"  redis.call('PEXPIRE', h, ARGV[6])\n"
	"elseif version ~= ARGV[2] then\n"
	"  return { 'STALE', version or '' }\n"
	"elseif ARGV[3] == '' and\n"
	"    math.abs(now - tonumber(p[2] or '0')) > 60000 then\n"
	"  return { 'AGED', version }\n"
	"end\n"

	"if seed ~= '' and number(seed) > number(p[4] or '0') and\n"
	"    (not gen or number(seed) > number(gen)) then\n"
	"  gen, keys = seed, ARGV[2]\n"
	"  redis.call('HSET', h, 'gen', gen, 'keys', keys)\n"
	"  redis.call('PEXPIRE', h, ARGV[6])\n"
	"  install(n + 2, 10 + 5 * n)\n"
	"end\n"
	"if not gen then return { 'LOST' } end\n"

	/* each call costs about as much as the script around it */
	"local was, used, refused = {}, {}, 0\n"
	"for i = 1, n do\n"
	"  local at, key = 5 + 5 * i, KEYS[i + 1]\n"
	"  local kind, limit = ARGV[at], tonumber(ARGV[at + 1])\n"
	"  local need = ARGV[at + 4]\n"
	"  if kind == 'fixed' then\n"
	"    was[i] = redis.call('GET', key)\n"
	"    used[i] = tonumber(was[i] or '0')\n"
	"  else\n"
	"    used[i] = used_of(key, kind, now, ARGV[7])\n"
	"  end\n"
	"  if (need == 'month' and not was[i]) or\n"
	"      (need == 'keys' and keys ~= ARGV[2]) then\n"
	"    return { 'LOST' }\n"
	"  end\n"
	"  if refused == 0 and (limit == 0 or\n"
	"      used[i] + tonumber(ARGV[at + 2]) > limit) then\n"
	"    refused = i\n"
	"  end\n"
	"end\n"

	"if refused == 0 then\n"
	"  for i = 1, n do\n"
	"    local at, key = 5 + 5 * i, KEYS[i + 1]\n"
	"    local kind, cost = ARGV[at], tonumber(ARGV[at + 2])\n"
	"    local ttl = ARGV[at + 3]\n"
	"    if kind == 'fixed' then\n"
	"      redis.call('INCRBY', key, cost)\n"
	"      if not was[i] then redis.call('PEXPIRE', key, ttl) end\n"
	"    elseif kind == 'key' then\n"
	"      redis.call('HINCRBY', key, ARGV[7], cost)\n"
	"      if redis.call('PTTL', key) < 0 then\n"
	"        redis.call('PEXPIRE', key, ttl)\n"
	"      end\n"
	"    elseif kind == 'sliding' then\n"
	"      redis.call('ZREMRANGEBYSCORE', key, '-inf', now - 60000)\n"
	"      for j = 1, cost do\n"
	"        local id = j == 1 and ARGV[4] or ARGV[4] .. '/' .. j\n"
	"        redis.call('ZADD', key, now, id)\n"
	"      end\n"
	"      redis.call('PEXPIRE', key, ttl)\n"
	"    else\n"
	"      redis.call('ZREMRANGEBYSCORE', key, '-inf', now)\n"
	"      redis.call('ZADD', key, now + tonumber(ARGV[5]), ARGV[4])\n"
	"      if redis.call('PTTL', key) < tonumber(ttl) then\n"
	"        redis.call('PEXPIRE', key, ttl)\n"
	"      end\n"
	"    end\n"
	"    used[i] = used[i] + cost\n"
	"  end\n"
	"end\n"

	"local reply = { refused == 0 and 'OK' or 'NO', refused, gen }\n"
	"for i = 1, n do\n"
	"  local at, key = 5 + 5 * i, KEYS[i + 1]\n"
	"  reply[#reply + 1] = used[i]\n"
	"  reply[#reply + 1] = reset_of(key, ARGV[at], now, used[i],\n"
	"    tonumber(ARGV[at + 1]))\n"
	"end\n"
	"return reply\n"
};

/*
 * How much is used, changing nothing.
 * KEYS: the project's hash; one for each row.
 * ARGV: 1 now; 2 id of the API key; then for each row kind and limit.
 * Returns { generation or "", used or -1 where the key is missing, reset,
 *	... }.
 */
struct wl_script wl_scripts_read = { .text =
	LUA_USED
	"local now = tonumber(ARGV[1])\n"
	"local reply = { redis.call('HGET', KEYS[1], 'gen') or '' }\n"
	"for i = 2, #KEYS do\n"
	"  local key, kind = KEYS[i], ARGV[2 * i - 1]\n"
	"  local limit = tonumber(ARGV[2 * i])\n"
	"  local used = used_of(key, kind, now, ARGV[2])\n"
	"  local reset = reset_of(key, kind, now, used, limit)\n"
	"  if redis.call('EXISTS', key) == 0 then used = -1 end\n"
	"  reply[#reply + 1] = used\n"
	"  reply[#reply + 1] = reset\n"
	"end\n"
	"return reply\n"
};

/*
 * What an admitted call gives back, and what it used beyond its reservation.
 * KEYS: the project's hash, then those of the rows concerned.
 * ARGV: 1 generation that admitted the call; 2 event id; 3 id of the API key;
 *	4 when the call was admitted; then for each row what to do and how much
 *	to add: lease (it is given back), key (a field of a hash), month (the
 *	project's), charge (a minute that may have to begin), or fixed.
 * Under another generation only leases are given back: the drain settles the
 * rest; nor is a month changed that was set since.
 */
struct wl_script wl_scripts_settle = { .text =
	"local p = redis.call('HMGET', KEYS[1], 'gen', 'set_ms')\n"
	"local same = p[1] == ARGV[1]\n"
	"local set = tonumber(ARGV[4]) < tonumber(p[2] or '0')\n"
	"for i = 2, #KEYS do\n"
	"  local key, what = KEYS[i], ARGV[2 * i + 1]\n"
	"  local n = tonumber(ARGV[2 * i + 2])\n"
	"  if what == 'lease' then\n"
	"    redis.call('ZREM', key, ARGV[2])\n"
	"  elseif same and what == 'key' then\n"
	"    local was = tonumber(redis.call('HGET', key, ARGV[3]) or '0')\n"
	"    n = math.max(n, -was)\n"
	"    if n ~= 0 then redis.call('HINCRBY', key, ARGV[3], n) end\n"
	"  elseif same and not (what == 'month' and set) then\n"
	"    local was = redis.call('GET', key)\n"
	"    n = math.max(n, -tonumber(was or '0'))\n"
	"    if was and n ~= 0 then\n"
	"      redis.call('INCRBY', key, n)\n"
	"    elseif what == 'charge' then\n"
	"      redis.call('SET', key, n, 'PX', 60000)\n"
	"    end\n"
	"  end\n"
	"end\n"
	"return 1\n"
};

/*
 * The beginning of a fix-up: whether it is for the generation in force, and
 * not done yet.
 */
#define LUA_FIXUP \
	LUA_NUMBER \
	LUA_ADD \
	"local h, now, host = KEYS[1], tonumber(ARGV[4]), 'f:' .. ARGV[3]\n" \
	"local gen = redis.call('HGET', h, 'gen')\n" \
	"if gen ~= ARGV[2] then\n" \
	"  local mine = number(ARGV[2])\n" \
	"  local dead = number(redis.call('HGET', h, 'dead') or '0')\n" \
	"  if (not gen or number(gen) < mine) and dead < mine then\n" \
	"    redis.call('HDEL', h, 'gen')\n" \
	"    redis.call('HSET', h, 'dead', mine)\n" \
	"    redis.call('PEXPIRE', h, ARGV[5])\n" \
	"  end\n" \
	"  return 0\n" \
	"end\n" \
	"if tonumber(redis.call('HGET', h, host) or '0') >= tonumber(ARGV[1])\n" \
	"then return 0 end\n" \
	"redis.call('HSET', h, host, ARGV[1])\n"

/*
 * A row of watchllm.counter_fixup; see the top of this file.
 * KEYS: the project's hash, its month, the months of its API keys, its minute,
 *	the minute of the key, its sliding window, that of the key, then tokens,
 *	money of the day and of the month, each of the project and of the key.
 * ARGV: 1 number of the row; 2 its generation; 3 host; 4 now; 5 time to live
 *	of the project's hash; 6 to add to the month; 7 to add to the minute;
 *	8 the minute; 9 id of the API key, or ""; 10 time to live of the
 *	months; 11 that of the day; 12 tokens to add; 13 money to add; then
 *	times and event ids for sliding windows.
 * Returns 1 when it was added, else 0; the row is done with in both cases.
 */
struct wl_script wl_scripts_fixup = { .text =
	LUA_FIXUP
	/* a month that is not there begins with the next call, summed anew */
	"local id, month_n = ARGV[9], tonumber(ARGV[6])\n"
	"if redis.call('EXISTS', KEYS[2]) == 1 then\n"
	"  add(KEYS[2], month_n, ARGV[10])\n"
	"  if id ~= '' then\n"
	"    local was = redis.call('HGET', KEYS[3], id) or '0'\n"
	"    redis.call('HINCRBY', KEYS[3], id,\n"
	"      math.max(month_n, -tonumber(was)))\n"
	"    if redis.call('PTTL', KEYS[3]) < 0 then\n"
	"      redis.call('PEXPIRE', KEYS[3], ARGV[10])\n"
	"    end\n"
	"  end\n"
	"end\n"

	/* minutes that are over interest nobody */
	"local last = id ~= '' and 1 or 0\n"
	"for k = 0, last do\n"
	"  if tonumber(ARGV[8]) >= math.floor(now / 60000) then\n"
	"    add(KEYS[4 + k], tonumber(ARGV[7]), 60000)\n"
	"    add(KEYS[8 + k], tonumber(ARGV[12]), 60000)\n"
	"  end\n"
	"  if tonumber(ARGV[11]) > 0 then\n"
	"    add(KEYS[10 + k], tonumber(ARGV[13]), ARGV[11])\n"
	"  end\n"
	"  add(KEYS[12 + k], tonumber(ARGV[13]), ARGV[10])\n"
	"end\n"
	"for i = 14, #ARGV, 2 do\n"
	"  if tonumber(ARGV[i]) > now - 60000 then\n"
	"    for k = 6, 6 + last do\n"
	"      redis.call('ZADD', KEYS[k], ARGV[i], ARGV[i + 1])\n"
	"      redis.call('PEXPIRE', KEYS[k], 120000)\n"
	"    end\n"
	"  end\n"
	"end\n"
	"return 1\n"
};

/*
 * The same for one counter, that of a limit rule.
 * KEYS: the project's hash, the counter.
 * ARGV: as above until 5; 6 to add; 7 time to live of the counter.
 */
struct wl_script wl_scripts_fixup_rule = { .text =
	LUA_FIXUP
	"if tonumber(ARGV[7]) > 0 then\n"
	"  add(KEYS[2], tonumber(ARGV[6]), ARGV[7])\n"
	"end\n"
	"return 1\n"
};

/*
 * What an operator says was used.  The generation stays: it knows of calls
 * that the ledger does not.
 * KEYS: the project's hash, its month, its minute, its sliding window.
 * ARGV: 1 now; 2 set or add; 3 calls of the minute, -1: leave it; 4 the same of
 *	the month; 5 time to live of the month; 6 an id that was not used
 *	before.
 * Returns 1, or 0: there are no counters.
 */
struct wl_script wl_scripts_usage = { .text =
	"local h, add = KEYS[1], ARGV[2] == 'add'\n"
	"local minute, month = tonumber(ARGV[3]), tonumber(ARGV[4])\n"
	"if not redis.call('HGET', h, 'gen') then return 0 end\n"
	"if month >= 0 and not add then\n"
	"  redis.call('SET', KEYS[2], month, 'PX', ARGV[5])\n"
	"  redis.call('HSET', h, 'set_ms', ARGV[1])\n"
	/* one that is not there begins with the ledger's sum */
	"elseif month >= 0 and redis.call('EXISTS', KEYS[2]) == 1 then\n"
	"  redis.call('INCRBY', KEYS[2], month)\n"
	"end\n"
	"if minute < 0 then return 1 end\n"
	"if not add then redis.call('DEL', KEYS[3], KEYS[4]) end\n"
	"redis.call('INCRBY', KEYS[3], minute)\n"
	"if redis.call('PTTL', KEYS[3]) < 0 then\n"
	"  redis.call('PEXPIRE', KEYS[3], 60000)\n"
	"end\n"
	"for i = 1, minute do\n"
	"  redis.call('ZADD', KEYS[4], ARGV[1], ARGV[6] .. '/' .. i)\n"
	"end\n"
	"if minute > 0 then redis.call('PEXPIRE', KEYS[4], 120000) end\n"
	"return 1\n"
};

/*
 * A project's new version, made known to the next call.
 * KEYS: the project's hash.  ARGV: version, now, time to live.
 */
struct wl_script wl_scripts_version = { .text =
	"local was = redis.call('HGET', KEYS[1], 'version')\n"
	"if was and tonumber(was) > tonumber(ARGV[1]) then return 0 end\n"
	"redis.call('HSET', KEYS[1], 'version', ARGV[1],\n"
	"  'version_ms', ARGV[2])\n"
	"redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
	"return 1\n"
};

/*
 * A counter of failures in a minute.
 * KEYS: it.  ARGV: what to add, 0 to look.
 */
struct wl_script wl_scripts_address = { .text =
	"local n = tonumber(ARGV[1])\n"
	"if n == 0 then\n"
	"  return tonumber(redis.call('GET', KEYS[1]) or '0')\n"
	"end\n"
	"local new = redis.call('EXISTS', KEYS[1]) == 0\n"
	"local v = redis.call('INCRBY', KEYS[1], n)\n"
	"if new then redis.call('PEXPIRE', KEYS[1], 60000) end\n"
	"return v\n"
};
