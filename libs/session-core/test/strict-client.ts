import type { Cluster, Redis } from 'ioredis';
import { allShardScripts, allTenantScripts } from '../src/scripts/script.js';

/**
 * Wraps every `redis.call` and `redis.pcall` of a script: a key that is first touched after the first write is an error. So a script that meets a key of a foreign type has changed nothing yet.
 */
const GUARD = `
local __writes = { SET=1, ZADD=1, ZREM=1, SADD=1, SREM=1, DEL=1, HSET=1, HDEL=1, HINCRBY=1, ZREMRANGEBYSCORE=1, PEXPIRE=1, PERSIST=1, XADD=1, XTRIM=1, UNLINK=1, RENAME=2 }
local __reads = { GET=1, HGET=1, HMGET=1, HGETALL=1, HLEN=1, HEXISTS=1, ZCARD=1, ZSCORE=1, ZMSCORE=1, ZRANGE=1, SCARD=1, XLEN=1, PTTL=1, SRANDMEMBER=1, ZCOUNT=1, SISMEMBER=1, SMISMEMBER=1,  SSCAN=1, GETRANGE=1, HSCAN=1, ZSCAN=1, EXISTS=1, ZINTERCARD=2, MGET=1000 }
local __read, __wrote = {}, false
local function __touch(command, ...)
  local keys = command == 'ZINTERCARD' and { select(2, ...) } or { ... }
  if command ~= 'TIME' then
    local count = __writes[command] or __reads[command]
    if not count then error('strict: unknown command ' .. command) end
    count = math.min(count, #keys)
    for i = 1, count do
      local key = keys[i]
      if __wrote and not __read[key] then error('strict: ' .. command .. ' touches ' .. key .. ' first after a write') end
    end
    for i = 1, count do __read[keys[i]] = true end
    if __writes[command] then __wrote = true end
  end
end
local function __call(...)
  __touch(...)
  return redis.call(...)
end
local function __pcall(...)
  __touch(...)
  return redis.pcall(...)
end
`;

function guarded(source: string): string {
  const [flags, ...rest] = source.split('\n');
  return [flags, GUARD, ...rest.map((line) => line.replaceAll(/redis\.(p?call)\(/g, '__$1('))].join('\n');
}

/** A client whose shard scripts run guarded. Everything else is the client's own. */
export function strict<T extends Redis | Cluster>(client: T): T {
  const original = client.callBuffer.bind(client);
  const strictly = async (command: string, list: (string | number | Buffer)[]) => {
    const script = [...allShardScripts().values(), ...allTenantScripts().values()].find(({ sha }) => sha === list[0]);
    if (command === 'EVALSHA' && script !== undefined) {
      return await original('EVAL', [guarded(script.source), ...list.slice(1)]);
    }
    return await original(command, list);
  };
  client.callBuffer = strictly as typeof client.callBuffer;
  return client;
}
