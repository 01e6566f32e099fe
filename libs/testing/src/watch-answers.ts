import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { runningApp } from './berth.js';
import { DocumentedAnswers, type ApiDocument } from './documented-answers.js';
import { projectRoot } from './project-root.js';

const DOCUMENTED = new Set(['admission-gateway', 'limits-admin']);

export interface AnswersWatch {
  /** Throws what was answered since the last time and is not in the document of the service. */
  assertDocumented(): Promise<void>;
}

/**
 * From now on each JSON answer that a test of this suite fetches from an app of `startBerth` is held against the OpenAPI document of that app,
 * as it is committed.
 */
export function watchAnswers(): AnswersWatch {
  const documents = new Map<string, DocumentedAnswers>();
  const reading: Promise<void>[] = [];
  const faults = new Set<string>();
  const fetchIt = globalThis.fetch;

  const documentOf = (app: string) => {
    const known = documents.get(app);
    if (known !== undefined) return known;
    const text = readFileSync(join(projectRoot(), 'docs', 'openapi', `${app}.json`), 'utf8');
    const answers = new DocumentedAnswers(JSON.parse(text) as ApiDocument);
    documents.set(app, answers);
    return answers;
  };

  const look = async (app: string, method: string, answer: Response, copy: Response) => {
    const text = await copy.text().catch(() => null);
    if (text === null) return; // the test left before the end
    const type = answer.headers.get('content-type') ?? '';
    const path = new URL(answer.url).pathname;
    const fault = documentOf(app).fault({ method, path, status: answer.status, type, text });
    if (fault !== null) faults.add(`${app}: ${fault}`);
  };

  globalThis.fetch = async (...args) => {
    const answer = await fetchIt(...args);
    const app = runningApp(answer.url);
    const method = args[1]?.method ?? (args[0] instanceof Request ? args[0].method : 'GET');
    const isJson = /^application\/(?:problem\+)?json/.test(answer.headers.get('content-type') ?? '');
    if (app !== null && DOCUMENTED.has(app) && isJson && method !== 'HEAD') {
      reading.push(look(app, method, answer, answer.clone()));
    }
    return answer;
  };

  return {
    async assertDocumented() {
      await Promise.all(reading.splice(0));
      const found = [...faults];
      faults.clear();
      if (found.length > 0) throw new Error(`Answers that the documents do not have:\n${found.join('\n')}`);
    },
  };
}
