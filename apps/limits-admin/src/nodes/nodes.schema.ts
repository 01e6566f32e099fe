import { z } from 'zod';

import { nodeName } from '#session-wire';

import { pageNumber, pageSize } from '../query.schema.js';
import { terminateBody } from '../sessions/sessions.schema.js';

export const nodesQuery = z.object({ page: pageNumber(), limit: pageSize() });

/** The node in a path. */
export const nodePath = z.object({ node: nodeName() });

/** Whether a node takes no new sessions. */
export const drainBody = z.object({ draining: z.boolean('must be true or false') });

/** Why a node is forgotten, for the log. */
export const forgetBody = terminateBody;
