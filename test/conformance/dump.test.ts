import { it } from 'vitest';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cataloguedCaptures, decodeCapture } from '../support/conformance-capture.ts';
it('dump', () => {
  mkdirSync('/tmp/conf/ours', { recursive: true });
  const t = Date.now();
  for (const { path } of cataloguedCaptures()) {
    const d = decodeCapture(path);
    writeFileSync(`/tmp/conf/ours/${path.replaceAll('/', '__')}`, d.lines.map((l) => JSON.stringify(l.ntop)).join('\n') + '\n');
    writeFileSync(`/tmp/conf/ours/${path.replaceAll('/', '__')}.iana`, d.lines.map((l) => JSON.stringify(l.iana)).join('\n') + '\n');
    if (d.internalErrors) console.log(path, 'INTERNAL', d.internalErrors);
    const f = Object.entries(d.faults).filter(([, n]) => n > 0);
    if (f.length) console.log(path, f.join(' '));
  }
  console.log(Date.now() - t);
});
