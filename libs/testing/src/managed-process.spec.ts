import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { transformFile } from '@swc/core';

import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { startProcess } from './managed-process.js';

const node = process.execPath;
const forever = 'setInterval(() => {}, 1000);';

describe('startProcess', () => {
  it('waits for a line, stops by SIGTERM', async () => {
    const script = `process.on('SIGTERM', () => { console.log('bye'); process.exit(3); }); console.log('is up'); ${forever}`;
    const started = await startProcess(node, ['-e', script], { ready: { line: /^is up$/ } });
    expect(started.running).toBe(true);
    expect(await started.stop()).toEqual({ code: 3, signal: null });
    expect(started.output()).toBe('is up\nbye\n');
    expect(started.running).toBe(false);
  });

  it('waits for a URL, and starts again with the same arguments', async () => {
    const port = await freePort();
    const script = `require('http').createServer((_, answer) => answer.end(process.env.WORD)).listen(${port}, '127.0.0.1')`;
    const url = `http://127.0.0.1:${port}/`;
    const started = await startProcess(node, ['-e', script], { ready: { url }, env: { WORD: 'ahoy' } });
    const firstPid = started.pid;
    await started.restart();
    expect(started.pid).not.toBe(firstPid);
    expect(await (await fetch(url)).text()).toBe('ahoy');
    expect(await started.kill()).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('kills what ignores SIGTERM, also when it is paused', async () => {
    const script = `process.on('SIGTERM', () => {}); console.log('up'); ${forever}`;
    const started = await startProcess(node, ['-e', script], { ready: { line: /up/ } });
    started.signal('SIGSTOP');
    expect(await started.stop(50)).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('fails with the output of a program that ends early', async () => {
    const start = startProcess(node, ['-e', 'console.error("no berth"); process.exit(7)'], { ready: { line: /up/ } });
    await expect(start).rejects.toThrow(/ended before it was ready \(7\)[^]*no berth/);
  });

  it('kills a program that is not ready in time', async () => {
    const start = startProcess(node, ['-e', `console.log(process.pid); ${forever}`], {
      ready: { line: /never/ },
      readyTimeoutMs: 500,
    });
    const error: unknown = await start.catch((reason: unknown) => reason);
    const pid = /It wrote:\n(\d+)/.exec(String(error))?.[1];
    expect(isAlive(Number(pid))).toBe(false);
  });

  it('fails for a program that does not exist', async () => {
    await expect(startProcess('/no/such/program', [], { ready: { line: /up/ } })).rejects.toThrow('/no/such/program');
  });

  it('takes its children along when it dies by SIGKILL', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'berth-orphan-'));
    for (const name of ['managed-process', 'eventually', 'https-request', 'tools']) {
      const { code } = await transformFile(join(import.meta.dirname, `${name}.ts`), {
        swcrc: false,
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      });
      await writeFile(join(dir, `${name}.js`), code);
    }
    await writeFile(join(dir, 'package.json'), '{"type":"module"}');
    await writeFile(
      join(dir, 'parent.js'),
      `import { startProcess } from './managed-process.js';
       const child = await startProcess(process.execPath, ['-e', "console.log('up'); ${forever}"], { ready: { line: /up/ } });
       console.log('child', child.pid);`,
    );
    const parent = await startProcess(node, [join(dir, 'parent.js')], { ready: { line: /child \d+/ } });
    const child = Number(/child (\d+)/.exec(parent.output())?.[1]);
    expect(isAlive(child)).toBe(true);
    await parent.kill();
    await eventually(async () => !isAlive(child) || (await isZombie(child)), {
      what: 'the child to die with its parent',
    });
    await rm(dir, { recursive: true });
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Dead, and not yet collected by the process that inherited it. */
async function isZombie(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
  return stat.includes(') Z');
}
