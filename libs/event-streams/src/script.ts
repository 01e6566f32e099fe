import { readFileSync } from 'node:fs';

import { RedisScript } from '#basics';

/** A script of this library, by name. */
export function loadScript(name: string): RedisScript {
  return new RedisScript(readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8'));
}
