/** Waits `ms`, or until `signal` aborts. Never rejects. Work in the background waits `idle`: it does not keep the process alive. */
export function pause(ms: number, signal?: AbortSignal, kind: 'busy' | 'idle' = 'busy'): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms));
    if (kind === 'idle') timer.unref();
    signal?.addEventListener('abort', done);
  });
}
