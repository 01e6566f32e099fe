import { CorruptReplyError } from '../errors.js';

/** Element of an array in a reply. */
export function field(value: unknown, index: number): unknown {
  if (!Array.isArray(value)) throw new CorruptReplyError('A script replied with something other than a list');
  return value[index];
}

export function text(value: unknown): string {
  if (Buffer.isBuffer(value)) return value.toString();
  throw new CorruptReplyError(`A script replied with ${typeof value} where text was expected`);
}

/** An integer, which Redis may have sent as a number or as text. */
export function integer(value: unknown): number {
  const number = typeof value === 'number' ? value : Number(text(value));
  if (Number.isSafeInteger(number)) return number;
  throw new CorruptReplyError(`A script replied with ${number} where an integer was expected`);
}

/** Reads a script's reply from left to right; any disagreement about its shape is a CorruptReplyError. */
export class ReplyReader {
  private at = 0;

  constructor(private readonly reply: unknown) {}

  text(): string {
    return text(this.next());
  }

  integer(): number {
    return integer(this.next());
  }

  bytes(): Buffer {
    const value = this.next();
    if (Buffer.isBuffer(value)) return value;
    throw new CorruptReplyError(`A script replied with ${typeof value} where bytes were expected`);
  }

  list(): unknown[] {
    const value = this.next();
    if (Array.isArray(value)) return value;
    throw new CorruptReplyError('A script replied with something other than a list');
  }

  rest(): unknown[] {
    return Array.isArray(this.reply) ? this.reply.slice(this.at) : [];
  }

  done(): boolean {
    return this.rest().length === 0;
  }

  fail(): never {
    throw new CorruptReplyError('A script replied with a word that this release does not know');
  }

  private next(): unknown {
    return field(this.reply, this.at++);
  }
}
