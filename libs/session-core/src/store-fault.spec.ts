import { describe, expect, it } from '@jest/globals';

import { NotConnectedError } from './errors.js';
import { storeFaultOf, type StoreFaultCode } from './store-fault.js';

const withCode = (code: string, message = `read ${code}`) => Object.assign(new Error(message), { code });
const codeOf = (error: unknown) => storeFaultOf(error)?.code ?? null;

/** As Redis 7.0 and ioredis say it. */
const SAID: Record<string, StoreFaultCode> = {
  "READONLY You can't write against a read only replica.": 'READONLY',
  'READONLY You can not run script with write flag on readonly replica.': 'READONLY',
  'MOVED 3999 127.0.0.1:6381': 'MOVED',
  "CROSSSLOT Keys in request don't hash to the same slot": 'MOVED',
  'ASK 3999 127.0.0.1:6381': 'moving',
  'TRYAGAIN Multiple keys request during rehashing of slot': 'moving',
  'ERR Script attempted to access a non local key in a cluster node script: 0a, on @user_script:31.': 'moving',
  'CLUSTERDOWN The cluster is down': 'CLUSTERDOWN',
  'CLUSTERDOWN Hash slot not served': 'CLUSTERDOWN',
  'NOAUTH Authentication required.': 'NOAUTH',
  'WRONGPASS invalid username-password pair or user is disabled.': 'WRONGPASS',
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?':
    'WRONGPASS',
  "NOPERM this user has no permissions to run the 'evalsha' command": 'NOPERM',
  'NOPERM this user has no permissions to access one of the keys used as arguments': 'NOPERM',
  "ERR The user executing the script can't run this command or subcommand script: 0a, on @user_script:31.": 'NOPERM',
  "OOM command not allowed when used memory > 'maxmemory'.": 'OOM',
  'LOADING Redis is loading the dataset in memory': 'LOADING',
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": 'MASTERDOWN',
  'NOREPLICAS Not enough good replicas to write.': 'NOREPLICAS',
  'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.': 'MISCONF',
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.': 'BUSY',
  'WRONGTYPE Operation against a key holding the wrong kind of value script: 0a, on @user_script:31.': 'WRONGTYPE',
  'DENIED Redis is running in protected mode because protected mode is enabled': 'DENIED',
  'ERR max number of clients reached': 'too-many-clients',
  'ERR DB index is out of range': 'no-database',
  'ERR This instance has cluster support disabled': 'no-cluster',
  "ERR unknown command 'EVALSHA', with args beginning with: ": 'too-old',
  'ERR Unexpected flag in script shebang: allow-oom': 'too-old',
  'All sentinels are unreachable. Retrying from scratch after 90ms. Last error: connect ECONNREFUSED 127.0.0.1:26379':
    'sentinels-away',
  'All sentinels are unreachable. Retrying from scratch after 90ms. Last error: NOAUTH Authentication required.':
    'sentinel-password',
  'All sentinels are unreachable. Retrying from scratch after 90ms. Last error: WRONGPASS invalid username-password pair':
    'sentinel-password',
  'All sentinels are unreachable. Retrying from scratch after 90ms. Last error: self-signed certificate':
    'sentinel-tls',
  'Command timed out': 'no-answer',
  'connect ETIMEDOUT': 'no-connection',
  'Connection is closed.': 'closed',
  "Stream isn't writeable and enableOfflineQueue options is false": 'closed',
  'Redis closed the connection': 'closed',
  'Failed to refresh slots cache.': 'cluster-away',
  'None of startup nodes is available': 'cluster-away',
};

const CODES: Record<string, StoreFaultCode> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
  ENOTFOUND: 'name-unknown',
  EAI_AGAIN: 'name-unknown',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ERR_SSL_WRONG_VERSION_NUMBER: 'no-tls',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate',
  CERT_HAS_EXPIRED: 'certificate',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'client-certificate',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'client-certificate',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'tls',
  EPROTO: 'tls',
};

describe('one table from what Redis says to a sentence', () => {
  it.each(Object.entries(SAID))('knows: %s', (message, code) => {
    expect(codeOf(new Error(message))).toBe(code);
  });

  it.each(Object.entries(CODES))('knows the code %s', (code, fault) => {
    expect(codeOf(withCode(code))).toBe(fault);
  });

  it('looks below what only says that something is away', () => {
    const refused = new Error('WRONGPASS invalid username-password pair or user is disabled.');
    expect(codeOf(new NotConnectedError('Redis is not connected (connect)', { cause: refused }))).toBe('WRONGPASS');
    const cluster = Object.assign(new Error('Failed to refresh slots cache.'), { lastNodeError: refused });
    expect(codeOf(cluster)).toBe('WRONGPASS');
    expect(codeOf(new NotConnectedError('Redis is not connected (connecting)', { cause: cluster }))).toBe('WRONGPASS');
    expect(codeOf(new NotConnectedError('Redis is not connected (connecting)'))).toBe('closed');
  });

  it('takes no other error for one of Redis', () => {
    for (const error of [new TypeError('x is not a function'), new Error('ERR syntax error'), 'OOM', null]) {
      expect(storeFaultOf(error)).toBeNull();
    }
  });

  it('says cause and remedy, and neither addresses nor secrets', () => {
    for (const [message] of Object.entries(SAID)) {
      const { sentence = '' } = storeFaultOf(new Error(message)) ?? {};
      expect(sentence).toMatch(/Redis|cluster/i);
      expect(sentence).not.toMatch(/\d+\.\d+\.\d+\.\d+|@user_script/);
    }
  });
});
