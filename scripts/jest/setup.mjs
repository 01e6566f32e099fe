/* global afterEach, expect */

// What services really answer is held against their documents, in every suite that starts them.
if (/\.e2e\.spec\.ts$/.test(expect.getState().testPath ?? '')) {
  const { watchAnswers } = await import('#testing');
  const watch = watchAnswers();
  afterEach(() => watch.assertDocumented());
}
