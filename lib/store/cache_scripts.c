/*
 * What Redis keeps of answers, and the scripts that change it.  P is the
 * project's id, in braces with redis_hash_tags.
 *
 *	cache:P:meta		a hash: "epoch" and "ns:N", the times of the last
 *				purge of all and of name space N; "bytes", the
 *				sum of the entries; figures.  Lives for a month
 *				after its last change, longer than any entry.
 *	cache:P:entry:ID	a hash: "body", "at" (ms), "epoch" under which it
 *				was stored, "alias".  An entry of another epoch is
 *				none.
 *	cache:P:alias:A		id of the entry that answers a canonical question,
 *				or "-": none shall.
 *	cache:P:index		a sorted set: ids by the time of their end.
 *	cache:P:sizes		a hash: bytes of each.
 *	cache:P:tape:T		a string: the recording of one answer.  While it
 *				runs it has a lease, renewed with each piece: a
 *				recorder that died leaves none.  A complete one
 *				says so itself.
 *	cache:P:flight:ID	a hash: "t", the token of the tape that answers
 *	cache:P:once:K		this question, or this Idempotency-Key; "hash",
 *				what the key was used for; "n", who joined.
 *
 * An owner whose tape is gone owns nothing: who asks next becomes the owner,
 * in the same step, so exactly one does.
 */
#include "config.h"
#include "lib/store/cache_scripts.h"

#define META_TTL	"2678400000"

#define LUA_DROP \
	"local function drop(id)\n" \
	"  local s = redis.call('HGET', sizes, id)\n" \
	"  if s then\n" \
	"    redis.call('HINCRBY', meta, 'bytes', -s)\n" \
	"    redis.call('HDEL', sizes, id)\n" \
	"  end\n" \
	"  redis.call('ZREM', index, id)\n" \
	"  return redis.call('DEL', pre .. 'entry:' .. id)\n" \
	"end\n"

/*
 * KEYS: meta, entry, alias, owner, the caller's tape.
 * ARGV: 1 the beginning of all keys; 2 token; 3 lease; 4 id of the entry, or
 *	""; 5 whether there is an alias; 6 name space; 7 whether there is an
 *	owner; 8 what it stands for; 9 first bytes of the tape.
 * Returns { tier, id, body, stored at, epoch, hold, holder }.
 */
struct wl_script wl_cache_script_look = { .text =
	"local pre, token = ARGV[1], ARGV[2]\n"
	"local m = redis.call('HMGET', KEYS[1], 'epoch', 'ns:' .. ARGV[6])\n"
	"local epoch = (m[1] or '0') .. '.' .. (m[2] or '0')\n"
	"local tier, id, body, at = 0, '', '', '0'\n"
	"local function try(key)\n"
	"  local e = redis.call('HMGET', key, 'epoch', 'at', 'body')\n"
	"  if e[1] ~= epoch or not e[3] then return false end\n"
	"  at, body = e[2], e[3]\n"
	"  return true\n"
	"end\n"
	"if ARGV[4] ~= '' then\n"
	"  if try(KEYS[2]) then\n"
	"    tier, id = 1, ARGV[4]\n"
	"  elseif ARGV[5] == '1' then\n"
	"    local to = redis.call('GET', KEYS[3])\n"
	"    if to and to ~= '-' and try(pre .. 'entry:' .. to) then\n"
	"      tier, id = 2, to\n"
	"    end\n"
	"  end\n"
	"end\n"
	"local hold, holder = 'none', ''\n"
	"if ARGV[7] == '1' and (tier == 0 or ARGV[8] ~= '') then\n"
	"  local o = redis.call('HMGET', KEYS[4], 't', 'hash')\n"
	"  if o[1] and redis.call('EXISTS', pre .. 'tape:' .. o[1]) == 1 then\n"
	"    if ARGV[8] ~= '' and o[2] ~= ARGV[8] then\n"
	"      hold = 'conflict'\n"
	"    else\n"
	"      hold, holder = 'other', o[1]\n"
	"      redis.call('HINCRBY', KEYS[4], 'n', 1)\n"
	"    end\n"
	"  else\n"
	"    redis.call('DEL', KEYS[4])\n"
	"    redis.call('HSET', KEYS[4], 't', token, 'hash', ARGV[8], 'n', 0)\n"
	"    redis.call('PEXPIRE', KEYS[4], ARGV[3])\n"
	"    redis.call('SET', KEYS[5], ARGV[9], 'PX', ARGV[3])\n"
	"    hold = 'ours'\n"
	"  end\n"
	"end\n"
	"return { tier, id, body, at, epoch, hold, holder }\n"
};

/*
 * KEYS: owner, tape.  ARGV: token, bytes, lease.
 * Returns how many have joined; -1: the tape or its owner is not ours.
 */
struct wl_script wl_cache_script_push = { .text =
	"local o = redis.call('HMGET', KEYS[1], 't', 'n')\n"
	"if o[1] ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 0 then\n"
	"  return -1\n"
	"end\n"
	"if ARGV[2] ~= '' then redis.call('APPEND', KEYS[2], ARGV[2]) end\n"
	"redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
	"redis.call('PEXPIRE', KEYS[2], ARGV[3])\n"
	"return tonumber(o[2] or '0')\n"
};

/*
 * KEYS: meta, entry, alias, owner, tape, index, sizes.
 * ARGV: 1 the beginning of all keys; 2 token; 3 last bytes; 4 whether it went
 *	well; 5 how long the tape stays; 6 how long its owner stays; 7 id of
 *	the entry, or ""; 8 hash of the alias, or ""; 9 name space; 10 epoch; 11
 *	body; 12 time to live; 13 now; 14 most entries; 15 most bytes; 16 how
 *	long the tape stays when nobody has joined.
 * Returns 1 when an entry was stored.
 */
struct wl_script wl_cache_script_end = { .text =
	"local pre, meta, index, sizes = ARGV[1], KEYS[1], KEYS[6], KEYS[7]\n"
	LUA_DROP
	"local o = redis.call('HMGET', KEYS[4], 't', 'n')\n"
	"if o[1] == ARGV[2] and redis.call('EXISTS', KEYS[5]) == 1 then\n"
	"  if ARGV[4] == '1' then\n"
	"    redis.call('APPEND', KEYS[5], ARGV[3])\n"
	"    redis.call('PEXPIRE', KEYS[5], o[2] == '0' and ARGV[16] or\n"
	"      ARGV[5])\n"
	/* who follows it shall not wait for the rest */
	"  else redis.call('DEL', KEYS[5]) end\n"
	"  if ARGV[4] == '1' and ARGV[6] ~= '0' then\n"
	"    redis.call('PEXPIRE', KEYS[4], ARGV[6])\n"
	"  else\n"
	"    redis.call('DEL', KEYS[4])\n"
	"  end\n"
	"end\n"
	"if ARGV[7] == '' then return 0 end\n"
	"local m = redis.call('HMGET', meta, 'epoch', 'ns:' .. ARGV[9])\n"
	"if (m[1] or '0') .. '.' .. (m[2] or '0') ~= ARGV[10] then return 0 end\n"
	"local now, ttl, n = tonumber(ARGV[13]), tonumber(ARGV[12]), 0\n"
	"for _, id in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now,\n"
	"    'LIMIT', 0, 100)) do\n"
	"  drop(id)\n"
	"end\n"
	"drop(ARGV[7])\n"
	"redis.call('HSET', KEYS[2], 'epoch', ARGV[10], 'at', ARGV[13],\n"
	"  'alias', ARGV[8], 'body', ARGV[11])\n"
	"redis.call('PEXPIRE', KEYS[2], ttl)\n"
	"redis.call('ZADD', index, now + ttl, ARGV[7])\n"
	"redis.call('HSET', sizes, ARGV[7], #ARGV[11])\n"
	"local bytes = redis.call('HINCRBY', meta, 'bytes', #ARGV[11])\n"
	"redis.call('HINCRBY', meta, 'stores', 1)\n"
	"if ARGV[8] ~= '' and redis.call('GET', KEYS[3]) ~= '-' then\n"
	"  redis.call('SET', KEYS[3], ARGV[7], 'PX', ttl)\n"
	"end\n"
	"while n < 100 and (bytes > tonumber(ARGV[15]) or\n"
	"    redis.call('ZCARD', index) > tonumber(ARGV[14])) do\n"
	"  local first = redis.call('ZRANGE', index, 0, 0)[1]\n"
	"  if not first then break end\n"
	"  drop(first)\n"
	"  bytes = tonumber(redis.call('HGET', meta, 'bytes'))\n"
	"  n = n + 1\n"
	"end\n"
	"for _, key in ipairs({ meta, index, sizes }) do\n"
	"  redis.call('PEXPIRE', key, " META_TTL ")\n"
	"end\n"
	"return 1\n"
};

/*
 * KEYS: tape.  ARGV: first and last byte.  Returns { bytes }, or {}.
 */
struct wl_script wl_cache_script_read = { .text =
	"if redis.call('EXISTS', KEYS[1]) == 0 then return {} end\n"
	"return { redis.call('GETRANGE', KEYS[1], ARGV[1], ARGV[2]) }\n"
};

/*
 * KEYS: meta.  ARGV: names and what to add to each.
 */
struct wl_script wl_cache_script_count = { .text =
	"for i = 1, #ARGV, 2 do\n"
	"  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])\n"
	"end\n"
	"redis.call('PEXPIRE', KEYS[1], " META_TTL ")\n"
	"return 1\n"
};

/*
 * KEYS: meta, index, sizes, entry.  ARGV: the beginning of all keys, id, how
 *	long its alias is barred or 0.
 * Returns whether it was there.
 */
struct wl_script wl_cache_script_drop = { .text =
	"local pre, meta, index, sizes = ARGV[1], KEYS[1], KEYS[2], KEYS[3]\n"
	LUA_DROP
	"local alias = redis.call('HGET', KEYS[4], 'alias')\n"
	"if alias and alias ~= '' and ARGV[3] ~= '0' then\n"
	"  redis.call('SET', pre .. 'alias:' .. alias, '-', 'PX', ARGV[3])\n"
	"end\n"
	"return drop(ARGV[2])\n"
};

/*
 * KEYS: meta, index, sizes.  ARGV: the beginning of all keys, name space or
 *	"", an epoch that was never used before, or "" to go on with the
 *	entries of earlier ones.
 * Returns how many entries are still to be removed.
 */
struct wl_script wl_cache_script_purge = { .text =
	"local pre, meta, index, sizes = ARGV[1], KEYS[1], KEYS[2], KEYS[3]\n"
	LUA_DROP
	"if ARGV[3] ~= '' then\n"
	"  local field = 'epoch'\n"
	/* so many name spaces are not remembered one by one */
	"  if ARGV[2] ~= '' and redis.call('HLEN', meta) < 1000 then\n"
	"    field = 'ns:' .. ARGV[2]\n"
	"  end\n"
	"  redis.call('HSET', meta, field, ARGV[3])\n"
	"  redis.call('PEXPIRE', meta, " META_TTL ")\n"
	"end\n"
	"if ARGV[2] ~= '' then return 0 end\n"
	"for _, id in ipairs(redis.call('ZRANGE', index, 0, 499)) do\n"
	"  drop(id)\n"
	"end\n"
	"return redis.call('ZCARD', index)\n"
};
