import { Cluster } from 'ioredis';

/**
 * A cluster client that comes to an end when it is closed. ioredis asks for the slots again and again
 * (`slotsRefreshInterval`), and after a close in the middle of that goes on for ever: the process could not exit.
 */
export class EndingCluster extends Cluster {
  override refreshSlotsCache(...callback: Parameters<Cluster['refreshSlotsCache']>): void {
    // What is not called back does not ask again.
    if (this.status === 'end' || this.status === 'disconnecting') return;
    super.refreshSlotsCache(...callback);
  }
}
