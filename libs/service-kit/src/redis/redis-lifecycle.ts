import type { Cluster, Redis } from 'ioredis';

/** Resolves to true once commands can be sent, or to false after `timeoutMs`. */
export function whenReady(redis: Redis | Cluster, timeoutMs: number): Promise<boolean> {
  if (redis.status === 'ready') return Promise.resolve(true);
  return new Promise((resolve) => {
    const settle = (ready: boolean) => {
      clearTimeout(timer);
      redis.off('ready', onReady);
      resolve(ready);
    };
    const onReady = () => settle(true);
    const timer = setTimeout(() => settle(false), timeoutMs);
    redis.once('ready', onReady);
  });
}

/** Closes the connection: politely if the server answers, else at once. Never throws. */
export async function closeRedis(redis: Redis | Cluster): Promise<void> {
  if (redis.status === 'end') return;
  if (redis.status === 'ready') {
    const answered = await Promise.race([
      redis.quit().then(
        () => true,
        () => false,
      ),
      elapsed(1_000),
    ]);
    if (answered) return;
  }
  redis.disconnect();
}

function elapsed(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(resolve, ms, false).unref());
}
