/** Lets others work. A database in this process answers without the process ever waiting, so that a loop over it would keep everybody out. */
export async function breath(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
