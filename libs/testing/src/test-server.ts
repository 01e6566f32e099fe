/** A real server on loopback, for one test. */
export interface TestServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** Ends the server and its clients, and removes its files. */
  stop(): Promise<void>;
  /** SIGKILL; clients and files stay, for a `restart`. */
  kill(): Promise<void>;
  /** Starts it again on the same port with what it holds, ending it first if it runs. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
}
