/** What Nest injects under these names; `ServiceKitModule`, which is global, provides them. */

/** `BerthConfig` of the process. */
export const CONFIG = Symbol('berth.config');
/** `Logger` of the process. */
export const LOGGER = Symbol('berth.logger');
/** `Redis | Cluster`: the process's connection for decisions. */
export const REDIS = Symbol('berth.redis');
