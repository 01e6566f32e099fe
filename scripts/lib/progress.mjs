/** How often a step that is under way says so. */
const EVERY_MS = 5_000;

/**
 * Does one step of a command: says that it begins, every five seconds how long it has taken (on a terminal or not), and in the end
 * how long it took. `soFar`: a word on how far it is. Passes on what the work throws; the caller says that.
 *
 * @template T
 * @param {string} title
 * @param {() => Promise<T>} work
 * @param {{ say?: (line: string) => void, soFar?: () => Promise<string> }} options
 * @returns {Promise<T>}
 */
export async function step(title, work, { say = console.log, soFar = async () => '' } = {}) {
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1_000);
  let over = false;
  say(`${title} …`);
  const sayHowFar = async () => {
    const word = await soFar();
    if (!over) say(`  ${seconds()} s${word && `: ${word}`} …`);
  };
  const timer = setInterval(() => void sayHowFar(), EVERY_MS);
  try {
    const result = await work();
    over = true;
    say(`  done in ${seconds()} s`);
    return result;
  } finally {
    over = true;
    clearInterval(timer);
  }
}
