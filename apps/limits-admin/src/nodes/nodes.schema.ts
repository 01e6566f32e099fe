import { z } from 'zod';

import { pageNumber, pageSize } from '../query.schema.js';

export const nodesQuery = z.object({ page: pageNumber(), limit: pageSize() });
