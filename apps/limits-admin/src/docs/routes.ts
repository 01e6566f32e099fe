import { FLEET_ROUTES } from './fleet.routes.js';
import { HISTORY_ROUTES } from './history.routes.js';
import { LIMITS_ROUTES } from './limits.routes.js';
import type { Route } from './route.js';

/** Every route of this process, in the order in which people look for them. */
export const ROUTES: Route[] = [...LIMITS_ROUTES, ...FLEET_ROUTES, ...HISTORY_ROUTES];
