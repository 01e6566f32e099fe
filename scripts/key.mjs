#!/usr/bin/env node
// Makes a bearer key. It is shown once, here; the configuration gets its hash.
import { createHash, randomBytes } from 'node:crypto';

const key = randomBytes(32).toString('base64url');
const hash = `sha256:${createHash('sha256').update(key).digest('hex')}`;

console.log(`The key, for the caller's header (it is kept nowhere):

  Authorization: Bearer ${key}

The entry for auth.keys in berth.yaml; role is node, viewer, operator or admin:

  - { id: choose-a-name, hash: "${hash}", role: node, tenant: default }`);
