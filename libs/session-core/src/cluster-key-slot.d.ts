/** The package has no types of its own. */
declare module 'cluster-key-slot' {
  /** The slot of a key in a Redis Cluster: that of its `{hash tag}` where it has one. */
  export default function slotOf(key: string): number;
}
