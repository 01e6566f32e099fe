/** Jest runs the TypeScript sources as ES modules; `#session-core` and its kin resolve to `src` through the `source` condition. */
export default {
  testEnvironment: '<rootDir>/scripts/jest/environment.mjs',
  setupFilesAfterEnv: ['<rootDir>/scripts/jest/setup.mjs'],
  testSequencer: '<rootDir>/scripts/jest/sequencer.mjs',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': ['@swc/jest'] },
  // No test asserts a speed: this ends what hangs, also on a machine whose cores are all busy.
  testTimeout: 120_000,
  // Node never collects ES modules that import each other (zod and Nest do), so each suite leaves its whole context behind: 5 to 90 MB.
  workerIdleMemoryLimit: '512MB',
  workerGracefulExitTimeout: 10_000,
};
