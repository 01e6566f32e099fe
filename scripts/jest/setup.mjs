import { afterEach, expect } from '@jest/globals';

// What services really answer is held against their documents, in every suite that starts them.
if (expect.getState().testPath?.endsWith('.e2e.spec.ts')) {
  const { watchAnswers } = await import('#testing');
  const watch = watchAnswers();
  afterEach(() => watch.assertDocumented());
}
