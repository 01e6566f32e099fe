import { z } from 'zod';

const result = z.object({
  commandId: z.string().max(512),
  result: z.enum(['done', 'gone', 'failed']),
  cause: z.string().max(1_024).optional(),
});
export type CommandResult = z.output<typeof result>;

const answer = z.object({ results: z.array(result).max(1_000) });

/** What a webhook says of the commands that it was sent. An answer that does not say it as agreed says nothing. */
export function resultsOf(body: string): CommandResult[] {
  try {
    const parsed = answer.safeParse(JSON.parse(body));
    return parsed.success ? parsed.data.results : [];
  } catch {
    return [];
  }
}
