import { randomBytes } from 'node:crypto';

/** What tells the revisions of one database from those of another, or of the same one before a backup was restored. */
export const newLineage = (): string => randomBytes(9).toString('base64url');
