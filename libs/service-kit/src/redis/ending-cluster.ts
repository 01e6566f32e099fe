import { Cluster } from 'ioredis';

/**
 * A cluster client that comes to an end when it is closed. ioredis asks for the slots again and again
 * (`slotsRefreshInterval`), and after a close in the middle of that, or while it connects, goes on for ever: the process could not exit.
 */
export class EndingCluster extends Cluster {
  private isClosed = false;

  override disconnect(reconnect = false): void {
    this.isClosed ||= !reconnect;
    super.disconnect(reconnect);
  }

  override quit(...callback: Parameters<Cluster['quit']>): ReturnType<Cluster['quit']> {
    this.isClosed = true;
    return super.quit(...callback);
  }

  override refreshSlotsCache(...callback: Parameters<Cluster['refreshSlotsCache']>): void {
    // What is not called back does not ask again. The status says nothing: a connect that was under way sets it to `ready` after the close.
    if (this.isClosed) return;
    super.refreshSlotsCache(...callback);
  }
}
