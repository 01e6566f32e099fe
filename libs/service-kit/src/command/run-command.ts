/** The words after a command of an operator, and where its lines go. */
export interface CommandLine {
  words: readonly string[];
  say: (line: string) => void;
  complain: (line: string) => void;
}

export interface Command {
  /** As in `npm run <name>`. */
  name: string;
  usage: string;
  /** What is wrong with the words, for people; null for nothing. */
  misunderstanding: (words: readonly string[]) => string | null;
  /** Resolves with the exit code. What it throws is printed, and the code is 1. */
  run: () => Promise<number>;
}

/** Resolves with the exit code: that of the command, 0 after help, 2 for words that it does not know. */
export async function runCommand(
  { words, say, complain }: CommandLine,
  { name, usage, misunderstanding, run }: Command,
): Promise<number> {
  if (words.some((word) => word === '--help' || word === '-h')) {
    say(usage);
    return 0;
  }
  const wrong = misunderstanding(words);
  if (wrong !== null) {
    complain(`${wrong} (npm run ${name} -- --help)`);
    return 2;
  }
  try {
    return await run();
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    return 1;
  }
}
