import { copyFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { it } from 'vitest';
import { Lab } from '../support/lab.ts';
import { OpenVSwitch } from '../support/open-vswitch.ts';
import { trafficFrames } from '../support/traffic.ts';
it('x', async () => {
  const lab = new Lab();
  try {
    const ovs = await OpenVSwitch.start(lab);
      const c = await lab.collect('--listen', 'udp://127.0.0.1:4000', '--listen', 'tcp://127.0.0.1:4000');
      const d = await lab.record(`sf.pcap`, 4000);
      ovs.configure('--', 'set', 'bridge', 'br0', 'sflow=@n', '--', '--id=@n', 'create', 'sFlow', 'targets="127.0.0.1:4000"', 'sampling=1', 'polling=1', 'agent=lo', 'header=96');
      for (const f of trafficFrames()) ovs.receive('p1', f);
      await sleep(2500);
      ovs.configure('clear', 'bridge', 'br0', 'netflow', '--', 'clear', 'bridge', 'br0', 'ipfix', '--', 'clear', 'bridge', 'br0', 'sflow');
      await sleep(300);
      await c.stop();
      await d.stop('SIGINT');
      console.log(c.lines.length);
      copyFileSync(lab.path(`sf.pcap`), `/tmp/live/ovs-sf.pcap`);
      writeFileSync(`/tmp/live/ovs-sf.jsonl`, c.stdout);
  } finally { await lab.close(); }
});
