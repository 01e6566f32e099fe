// Imported first by every command, so that an old Node says what is wrong instead of failing at its first new word.
const needed = [20, 19];
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  console.error(`Berth needs Node.js ${needed.join('.')} or newer; this is ${process.version} (${process.execPath}).`);
  process.exit(1);
}
