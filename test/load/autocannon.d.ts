/** The part of autocannon 9 that `http-load.process.ts` uses; the package has no types of its own. */
declare module 'autocannon' {
  interface Request {
    method: string;
    path: string;
    headers: Record<string, string>;
    body?: string;
  }

  interface Options {
    url: string;
    connections: number;
    /** So many requests in all. */
    amount: number;
    requests: (Request & { setupRequest?: (request: Request) => Request })[];
  }

  interface Result {
    /** Requests that got no answer. */
    errors: number;
    statusCodeStats: Record<string, { count: number }>;
  }

  interface Run extends Promise<Result> {
    on(event: 'response', listener: () => void): void;
  }

  export default function autocannon(options: Options): Run;
}
