/** Loaded before the program, keeps the compiled code of what the program runs, for build/start.cjs to begin with. */
'use strict';

const { renameSync, writeFileSync } = require('node:fs');
const vm = require('node:vm');

vm.Script = class extends vm.Script {
  constructor(source, options) {
    // Without what was kept earlier, which may be less.
    super(source, { ...options, cachedData: undefined });
    const file = `${options.filename}.code`;
    process.on('exit', (code) => {
      if (code !== 0) return;
      writeFileSync(`${file}.${process.pid}`, this.createCachedData());
      renameSync(`${file}.${process.pid}`, file);
    });
  }
};
