#!/usr/bin/env node
/**
 * Starts the program, as dist/main.js: runs the bundle with the compiled code kept beside its files, which saves compiling what
 * even a small capture needs. V8 refuses code that another version of it made or other flags, and compiles as ever.
 */
'use strict';

const { readFileSync } = require('node:fs');
const { createRequire, wrap } = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

// The name is that of the content, so that no code is taken for that of another bundle: V8 compares lengths alone.
const entry = require.resolve('./bundle/main.js');
const folder = dirname(entry);
const requireOther = createRequire(entry);
/** By file: the modules of the bundle. */
const parts = new Map();

function keptCode(filename) {
  try {
    return readFileSync(`${filename}.code`);
  } catch {
    return undefined;
  }
}

function load(filename) {
  const script = new Script(wrap(readFileSync(filename, 'latin1')), { filename, cachedData: keptCode(filename) });
  const part = { id: filename, filename, exports: {}, loaded: true };
  parts.set(filename, part);
  script.runInThisContext()(part.exports, requireFromBundle, part, filename, folder);
  return part;
}

/** What the files of the bundle require: each other by their names in their folder, or what Node.js and packages give. */
function requireFromBundle(name) {
  if (!name.startsWith('./')) return requireOther(name);
  const filename = join(folder, name);
  return (parts.get(filename) ?? load(filename)).exports;
}

load(entry);
