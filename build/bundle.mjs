/** Makes dist/: the sources as few files of CommonJS, which Node.js loads faster than modules, and the compiled code beside. */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { rolldown } from 'rolldown';

/** Captures that run the code that is kept compiled: each protocol once. */
const CAPTURES = ['netflow5', 'netflow9', 'ipfix', 'sflow'].map((name) => `fixtures/pmacct-${name}/input.pcap`);
/** What is run; each adds to the code the former kept. */
const RUNS = [
  ['convert', ...CAPTURES],
  ['probe', '--read', CAPTURES[0]],
];

const bundle = await rolldown({
  input: './src/main.ts',
  platform: 'node',
  // Node.js's own and packages.
  external: /^[a-z@]/,
});
const { output } = await bundle.generate({
  format: 'cjs',
  strict: true,
  // The name of what an import gives is of the content: a program that runs still finds its own files after the next build.
  entryFileNames: '[name]-[hash].js',
  // Loads nothing of modules.
  dynamicImportInCjs: false,
  // All that is loaded at start in one file.
  codeSplitting: { groups: [{ name: 'main', tags: ['$initial'] }] },
});
await bundle.close();

mkdirSync('dist/bundle', { recursive: true });
// ASCII alone: read as it lies, and an octet a character in memory.
for (const { fileName, code } of output) put(`dist/bundle/${fileName}`, code.replace(/[^\0-\x7f]/g, escaped));
const main = output.find(({ isEntry }) => isEntry).fileName;
put('dist/package.json', '{ "type": "commonjs" }\n');
const start = readFileSync('build/start.cjs', 'utf8').replace("'./bundle/main.js'", `'./bundle/${main}'`);
// Put in place when all it needs is there.
const made = `dist/main.js.${process.pid}`;
writeFileSync(made, start);
chmodSync(made, 0o755);
for (const words of RUNS) {
  const { status } = spawnSync(
    process.execPath,
    ['--require', './build/keep-code.cjs', made, ...words, '--json', '/dev/null'],
    { stdio: 'inherit' },
  );
  if (status !== 0) throw new Error('the program that was built does not run');
}
renameSync(made, 'dist/main.js');

/** Writes a file whole or not at all: the program may be started, and built, at the same time. */
function put(path, text) {
  const made = `${path}.${process.pid}`;
  writeFileSync(made, text);
  renameSync(made, path);
}

/** Means the same within text and patterns, and nothing within comments. */
function escaped(character) {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
