import { readFileSync, readdirSync } from 'node:fs';
import { it } from 'vitest';
import { differences, linesByTshark, type PartialLine } from '../support/tshark-lines.ts';
it('x', () => {
  for (const f of readdirSync('/tmp/live').filter((n) => n.endsWith('.pcap') && n!== 'traffic.pcap')) {
    const t = linesByTshark(`/tmp/live/${f}`, 4000, f.includes('-sf.') ? 'sflow' : 'cflow');
    const o = readFileSync(`/tmp/live/${f.replace('.pcap', '.jsonl')}`, 'utf8').trim().split('\n').map((l) => JSON.parse(l) as PartialLine);
    const d = t.map((e, i) => differences(e, o[i] ?? {}));
    const first = d.findIndex((x) => Object.keys(x).length > 0);
    console.log(f, t.length, o.length, Object.keys(t[0] ?? {}).length, d.filter((x) => Object.keys(x).length > 0).length, first < 0 ? '' : JSON.stringify(d[first]));
  }
});
