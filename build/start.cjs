#!/usr/bin/env node
/**
 * Starts the program, as dist/main.js: runs the bundle with the compiled code kept beside it, which saves compiling what
 * even a small capture needs. V8 refuses code that another version of it made or other flags, and compiles as ever.
 */
'use strict';

const { readFileSync } = require('node:fs');
const { createRequire, wrap } = require('node:module');
const { dirname } = require('node:path');
const { Script } = require('node:vm');

// The name is that of the content, so that no code is taken for that of another bundle: V8 compares lengths alone.
const filename = require.resolve('./bundle/main.js');

function keptCode() {
  try {
    return readFileSync(`${filename}.code`);
  } catch {
    return undefined;
  }
}

const script = new Script(wrap(readFileSync(filename, 'latin1')), { filename, cachedData: keptCode() });
const main = { id: filename, filename, exports: {}, loaded: true };
const requireFromMain = createRequire(filename);
// The other files of the bundle require this one by its name.
requireFromMain.cache[filename] = main;
script.runInThisContext()(main.exports, requireFromMain, main, filename, dirname(filename));
