import { LimitsConflictError } from './errors.js';
import { shardKeys, shardNumbers, tenantKeys, type TenantRef } from './keys.js';
import { DEFAULT_IDENTITY_RULES, rulesMark } from './model/identity/index.js';
import { withChange, type ChangeAuthor } from './model/limits-change.js';
import { effectiveLimits, type LimitsDocument, type LimitsLayer } from './model/limits-document.js';
import { integer } from './scripts/reply.js';
import { loadScript, type StoreClient } from './scripts/script.js';
import { setLimits } from './scripts/set-limits.script.js';
import { withDeadline } from './store-call.js';

const replaceDocument = loadScript('set-limits-document');
const TRIES = 20;
/** Copying a document with many users to every shard takes longer than a decision may. */
const PUBLICATION_DEADLINE_MS = 5_000;

const NOTHING_SAID: LimitsDocument = { version: 0, file: {}, api: {}, publishedBy: null };

/**
 * The limits of a tenant: one document with two layers (file and API), changed by compare-and-set, copied whole to every
 * shard. When a change returns, it holds for the next decision of every gateway.
 */
export class LimitsStore {
  /** What this process's file says, to publish it again should Redis lose everything. */
  private readonly files = new Map<string, { file: LimitsLayer; publisher: string }>();

  constructor(
    private readonly client: StoreClient,
    private readonly deadlineMs: number,
  ) {}

  /** The document as it is; version 0 where nothing was ever written. */
  async read(tenant: TenantRef): Promise<LimitsDocument> {
    return await withDeadline(this.deadlineMs, async () => await this.readDocument(tenant));
  }

  /**
   * Changes the layer that the API writes, and puts the result into force in every shard.
   * Two changes at once both hold. Throws LimitsConflictError if others were faster twenty times.
   */
  async change(
    tenant: TenantRef,
    edit: (api: LimitsLayer, document: LimitsDocument) => LimitsLayer,
    author: ChangeAuthor = { by: 'unknown' },
  ): Promise<LimitsDocument> {
    return await this.replace(tenant, author, (document) => ({ ...document, api: edit(document.api, document) }));
  }

  /**
   * Publishes what the configuration file says. The API's word still wins over it.
   *
   * Returns who had published another file before, if that was somebody else: two processes with different files.
   * `before` is what the caller had published itself, which is no other file: all read a changed one again, and one of them is the first.
   */
  async publishFile(
    tenant: TenantRef,
    file: LimitsLayer,
    publisher: string,
    before?: LimitsLayer,
  ): Promise<{ replaced: string | null }> {
    this.files.set(tenant.name, { file, publisher });
    let replaced: string | null = null;
    await this.replace(tenant, { by: publisher, reason: 'configuration file' }, (document) => {
      const there = JSON.stringify(document.file);
      const same = there === JSON.stringify(file);
      const isOther = !same && there !== JSON.stringify(before) && document.publishedBy !== publisher;
      replaced = isOther ? document.publishedBy : null;
      return same && document.version > 0 ? document : { ...document, file, publishedBy: publisher };
    });
    return { replaced };
  }

  /**
   * Rewrites the document while the identity rules of the tenant change, when everybody else is kept from it; puts nothing into force.
   * `edit` returns the document that it was given where nothing is to change.
   */
  async rekey(tenant: TenantRef, edit: (document: LimitsDocument) => LimitsDocument): Promise<void> {
    const author = { by: 'tenant rekey', reason: 'identity rules' };
    for (;;) {
      const current = await this.read(tenant);
      const edited = edit(current);
      if (edited === current) return;
      const next = withHistory(current, { ...edited, version: current.version + 1 }, author);
      if (
        await withDeadline(this.deadlineMs, async () => await this.compareAndSet(tenant, current.version, next, true))
      )
        return;
    }
  }

  /** Copies the document to every shard that has an older version or none: after a crash between two shards, or a loss. */
  async publish(tenant: TenantRef): Promise<void> {
    const document = await this.readDocument(tenant);
    if (document.version === 0) {
      await this.replace(tenant, { by: 'unknown' }, (current) => current);
      return;
    }
    const versions = await this.versionsInForce(tenant);
    const behind = versions.flatMap((version, shard) => (version < document.version ? [shard] : []));
    const limits = effectiveLimits(document);
    await Promise.all(
      behind.map((shard) =>
        setLimits(
          { client: this.client, tenant: tenant.name, shards: tenant.shards, shard, identity: tenant.identity },
          limits,
          shard === 0 ? document.changes : [],
        ),
      ),
    );
  }

  /**
   * As `publish`, where a shard is behind: reads no more than versions to find out. A document that is missing is left to those who know a file.
   */
  async repair(tenant: TenantRef): Promise<void> {
    const behind = await withDeadline(this.deadlineMs, async () => {
      const version = Number((await this.client.hget(tenantKeys(tenant.name).limitsDocument, 'version')) ?? 0);
      return version > 0 && (await this.versionsInForce(tenant)).some((inForce) => inForce < version);
    });
    if (behind) await this.publish(tenant);
  }

  /** Where nothing was ever written, or all was lost: what this process's file says. */
  private fromFile(tenant: TenantRef): LimitsDocument {
    const known = this.files.get(tenant.name);
    return known === undefined
      ? { ...NOTHING_SAID }
      : { ...NOTHING_SAID, file: known.file, publishedBy: known.publisher };
  }

  private async replace(
    tenant: TenantRef,
    author: ChangeAuthor,
    edit: (document: LimitsDocument) => LimitsDocument,
  ): Promise<LimitsDocument> {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const current = await this.read(tenant);
      const edited = edit(current.version === 0 ? this.fromFile(tenant) : current);
      // A shard may know a larger version than the document, whose last write a failover forgot.
      const inForce = await withDeadline(this.deadlineMs, async () => await this.versionsInForce(tenant));
      const version = Math.max(current.version, ...inForce) + 1;
      const next = edited === current ? current : withHistory(current, { ...edited, version }, author);
      const set = async () => next === current || (await this.compareAndSet(tenant, current.version, next));
      if (await withDeadline(this.deadlineMs, set)) {
        await withDeadline(PUBLICATION_DEADLINE_MS, async () => await this.publish(tenant));
        return next;
      }
    }
    throw new LimitsConflictError(`The limits of tenant ${tenant.name} are being changed by others; try again`);
  }

  private async compareAndSet(
    { name, identity = DEFAULT_IDENTITY_RULES }: TenantRef,
    read: number,
    { version, ...content }: LimitsDocument,
    rekeys = false,
  ): Promise<boolean> {
    const { limitsDocument, registration } = tenantKeys(name);
    const rules = rekeys ? ['', ''] : [identity.case, identity.domain];
    const args = [read, version, JSON.stringify(content), ...rules];
    return integer(await replaceDocument.run(this.client, [limitsDocument, registration], args)) === 1;
  }

  private async readDocument(tenant: TenantRef): Promise<LimitsDocument> {
    const [version, content] = await this.client.hmget(tenantKeys(tenant.name).limitsDocument, 'version', 'document');
    if (!version || !content) return NOTHING_SAID;
    return { ...(JSON.parse(content) as Omit<LimitsDocument, 'version'>), version: Number(version) };
  }

  private async versionsInForce(tenant: TenantRef): Promise<number[]> {
    const version = `version${rulesMark(tenant.identity)}`;
    return await Promise.all(
      shardNumbers(tenant).map(async (shard) => {
        return Number((await this.client.hget(shardKeys(tenant, shard).limits, version)) ?? 0);
      }),
    );
  }
}

function withHistory(current: LimitsDocument, next: LimitsDocument, author: ChangeAuthor): LimitsDocument {
  const changes = withChange(current.changes ?? [], [effectiveLimits(current), effectiveLimits(next)], author);
  return { ...next, changes };
}
