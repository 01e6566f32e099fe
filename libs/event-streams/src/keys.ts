import { InvalidOptionsError } from './errors.js';

/** The part of a key that chooses its slot in a Redis Cluster: what stands between the first `{` and the next `}`, else all of it. */
export function slotTag(key: string): string {
  const open = key.indexOf('{');
  const close = key.indexOf('}', open + 1);
  return open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key;
}

/**
 * hash, group -> when it was last seen (ms of the Redis clock): the groups that read a stream, in the slot of the stream. Written by
 * each server of a group, cleared of groups past their age by the trimmer; it lives as long as the stream has groups.
 *
 * Throws `InvalidOptionsError` for a name that has braces without a hash tag: nothing can be put beside it.
 */
export function groupsKey(stream: string): string {
  const tag = slotTag(stream);
  if (tag !== stream) return `${stream}:groups`;
  if (/[{}]/.test(stream)) throw new InvalidOptionsError(`${stream} has braces but no hash tag`);
  return `{${stream}}:groups`;
}
