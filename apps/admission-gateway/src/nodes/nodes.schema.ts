import { z } from 'zod';

import { nodeName } from '#session-wire';

/** The node in a path. */
export const nodePath = z.object({ node: nodeName() });
