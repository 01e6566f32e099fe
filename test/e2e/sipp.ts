import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eventually, freePort, startProcess, type ManagedProcess } from '#testing';

import { sipRequest, SipSocket } from './sip-messages.js';

export type CalleeScenario = 'callee' | 'callee-challenges' | 'callee-declines' | 'callee-rings';
export type CallerScenario = 'caller' | 'caller-authenticates' | 'caller-cancels' | 'caller-is-hung-up';

/** What one caller heard. */
export interface CallResult {
  status: string;
  user: string;
  callId: string;
}

const scenarioFile = (name: string) => join(import.meta.dirname, 'sipp', `${name}.xml`);

function startSipp(args: string[]): Promise<ManagedProcess> {
  return startProcess('sipp', ['-i', '127.0.0.1', '-mi', '127.0.0.1', '-nostdin', ...args], { env: { TERM: 'xterm' } });
}

/** SIPp says nothing when it is ready (its screen is buffered), so the system's list of UDP sockets (Linux) is asked. */
async function listens(port: number): Promise<boolean> {
  const socket = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  return (await readFile('/proc/net/udp', 'utf8')).includes(socket);
}

/** A callee that does as its scenario says for every call, until it is stopped. */
export interface Callee {
  /** Lets a ringing call be answered (`callee-rings`). */
  answer(callId: string): Promise<void>;
  /** Waits until it has heard BYE for this call. */
  heardBye(callId: string): Promise<void>;
  /** Waits until it has heard CANCEL for this call (`callee-rings`). */
  heardCancel(callId: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startCallee(scenario: CalleeScenario, port: number): Promise<Callee> {
  const dir = await mkdtemp(join(tmpdir(), 'berth-sipp-'));
  const log = join(dir, 'heard.log');
  const sipp = await startSipp(['-sf', scenarioFile(scenario), '-p', String(port), '-trace_logs', '-log_file', log]);
  await eventually(() => listens(port), { what: `${scenario} to listen` });
  const heard = async (method: 'BYE' | 'CANCEL', callId: string) => {
    await eventually(async () => (await readLog(log)).split('\n').includes(`HEARD ${method} ${callId}`), {
      what: `the callee to hear ${method} for ${callId}`,
    });
  };
  return {
    answer: (callId) => notify(port, [callId]),
    heardBye: (callId) => heard('BYE', callId),
    heardCancel: (callId) => heard('CANCEL', callId),
    async stop() {
      await sipp.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export interface CallersOptions {
  /** Where the calls go. */
  port: number;
  /** One call each, all at once. */
  users: string[];
  scenario?: CallerScenario;
  /** The display name in From, quotes included. */
  displayName?: string;
  /** SIPp's format of Call-IDs: `%u` is the number of the call. */
  callIdFormat?: string;
}

export interface Callers {
  /** Waits until every caller was answered or refused. */
  results(): Promise<CallResult[]>;
  /** Hangs up answered calls: all of them by default. */
  hangUp(callIds?: string[]): Promise<void>;
  /** Waits until every call is over; fails if one did not go as the scenario says. */
  finished(): Promise<void>;
  /** Ends what is left without a word, and removes the files. */
  stop(): Promise<void>;
}

export async function startCallers(options: CallersOptions): Promise<Callers> {
  const { users, scenario = 'caller', displayName = '', callIdFormat } = options;
  const dir = await mkdtemp(join(tmpdir(), 'berth-sipp-'));
  const [log, errors, csv] = [join(dir, 'results.log'), join(dir, 'errors.log'), join(dir, 'users.csv')];
  await writeFile(csv, ['SEQUENTIAL', ...users.map((user) => `${user};${displayName};`), ''].join('\n'));
  const port = await freePort();
  const count = String(users.length);
  const args = ['-sf', scenarioFile(scenario), '-inf', csv, '-p', String(port), '-m', count, '-l', count, '-r', '1000'];
  args.push('-recv_timeout', '20000', '-timeout', '90s', '-timeout_error', '-trace_logs', '-log_file', log);
  args.push('-trace_err', '-error_file', errors);
  if (callIdFormat !== undefined) args.push('-cid_str', callIdFormat);
  const sipp = await startSipp([...args, `127.0.0.1:${options.port}`]);

  const read = async () => parseResults(await readLog(log));
  return {
    results: () =>
      eventually(
        async () => {
          const results = await read();
          return results.length === users.length && results;
        },
        { timeoutMs: 30_000, what: `${users.length} callers to be answered` },
      ),
    async hangUp(callIds) {
      const answered = (await read()).filter(({ status }) => status === '200').map(({ callId }) => callId);
      await notify(port, callIds ?? answered);
    },
    async finished() {
      const { code } = await sipp.exited;
      if (code !== 0) throw new Error(`sipp ended with ${code}: ${await readLog(errors)}`);
    },
    async stop() {
      await sipp.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** SIPp makes the file with its first line. */
function readLog(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}

function parseResults(log: string): CallResult[] {
  return [...log.matchAll(/^RESULT (\d{3}) (\S+) (\S+)$/gm)].map(([, status = '', user = '', callId = '']) => ({
    status,
    user,
    callId,
  }));
}

/** The scenarios go on when a NOTIFY with their Call-ID arrives. */
async function notify(port: number, callIds: string[]): Promise<void> {
  const socket = await SipSocket.open();
  for (const callId of callIds) {
    await socket.send(sipRequest({ method: 'NOTIFY', user: 'test', callId, port: socket.port }), port);
  }
  socket.stop();
}
