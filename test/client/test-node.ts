import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';

import { freePort, startProcess, type ManagedProcess } from '#testing';

import { ROOT, run, type PackedClient } from './packed-client.js';

export interface NodeState {
  held: string[];
  hungUp: string[];
  problems: string[];
  undelivered: number;
  epoch: number;
}

/** A server of its own process that uses the agent of the packed client. */
export class TestNode {
  private constructor(
    readonly process: ManagedProcess,
    private readonly url: string,
  ) {}

  static async start(packed: PackedClient, options: object): Promise<TestNode> {
    const port = await freePort();
    const program = await TestNode.program(packed);
    const env = envOf({ port, ...options });
    const running = await startProcess(process.execPath, [program], { env, ready: { line: /^listening$/ } });
    return new TestNode(running, `http://127.0.0.1:${port}`);
  }

  /** What a node says that cannot start. */
  static async refusal(packed: PackedClient, options: object): Promise<string> {
    const failed = run(process.execPath, [await TestNode.program(packed)], { env: envOf(options) });
    return await failed.then(
      () => 'it started, and ended',
      ({ stdout }: { stdout: string }) => stdout,
    );
  }

  private static async program(packed: PackedClient): Promise<string> {
    const program = join(packed.app, 'node.process.mjs');
    await copyFile(join(ROOT, 'test/client/node.process.mjs'), program);
    return program;
  }

  async admit(sessionId: string, user: string, attempt?: number): Promise<{ kind: string; code?: string }> {
    return await this.ask('admit', { sessionId, user, attempt });
  }

  async end(sessionId: string, told: object = {}): Promise<{ kind: string; code?: string }> {
    return await this.ask('end', { sessionId, ...told });
  }

  async state(): Promise<NodeState> {
    return await this.ask('state');
  }

  async ask<T>(call: string, told: object = {}): Promise<T> {
    const answer = await fetch(`${this.url}/${call}`, { method: 'POST', body: JSON.stringify(told) });
    return (await answer.json()) as T;
  }
}

function envOf(options: object): NodeJS.ProcessEnv {
  return { ...process.env, NODE_OPTIONS: '', BERTH_NODE: JSON.stringify(options) };
}
