// Imported first by every command, so that an old Node says what is wrong instead of failing at its first new word.
const [neededMajor, neededMinor] = [20, 19];
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  console.error(
    `Berth needs Node.js ${neededMajor}.${neededMinor} or newer; this is ${process.version} (${process.execPath}).`,
  );
  process.exit(1);
}
