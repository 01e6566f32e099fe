import { readdir, readFile } from 'node:fs/promises';

/**
 * Processor time that a process has used, user and system, all threads that it has: microseconds. Linux only, with scheduler
 * statistics (every distribution's kernel has them); the times of `/proc/<pid>/stat` come in steps of 10 ms, too coarse here.
 */
export async function processorMicroseconds(pid: number): Promise<number> {
  const threads = `/proc/${pid}/task`;
  const times = await Promise.all(
    (await readdir(threads)).map(async (thread) => {
      // https://docs.kernel.org/scheduler/sched-stats.html: time on the processor in nanoseconds comes first.
      const [nanoseconds] = (await readFile(`${threads}/${thread}/schedstat`, 'utf8')).split(' ');
      return Number(nanoseconds) / 1_000;
    }),
  );
  return times.reduce((sum, time) => sum + time, 0);
}

/** Fails at the start of a bench where `processorMicroseconds` would fail at its end. */
export function requireLinux(): void {
  if (process.platform !== 'linux') throw new Error('This bench reads processor times from /proc; it needs Linux');
}
