/** Loaded before the program, keeps the compiled code of what the program runs, and ran earlier, for build/start.cjs to begin with. */
'use strict';

const { renameSync, writeFileSync } = require('node:fs');
const vm = require('node:vm');

vm.Script = class extends vm.Script {
  constructor(source, options) {
    // With what was kept earlier, which is kept on.
    super(source, options);
    const file = `${options.filename}.code`;
    process.on('exit', (code) => {
      if (code !== 0) return;
      writeFileSync(`${file}.${process.pid}`, this.createCachedData());
      renameSync(`${file}.${process.pid}`, file);
    });
  }
};
