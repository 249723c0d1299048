import { copyFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { it } from 'vitest';
import { Lab } from '../support/lab.ts';
import { OpenVSwitch } from '../support/open-vswitch.ts';
import { trafficFrames } from '../support/traffic.ts';
it('x', async () => {
  const lab = new Lab();
  try {
    const t = Date.now();
    const ovs = await OpenVSwitch.start(lab);
    console.log('up', Date.now() - t, ovs.configure('show'));
    for (const [name, conf] of Object.entries({
      nf: ['--', 'set', 'bridge', 'br0', 'netflow=@n', '--', '--id=@n', 'create', 'NetFlow', 'targets="127.0.0.1:4000"', 'active_timeout=1', 'engine_id=7', 'engine_type=2'],
      ipfix: ['--', 'set', 'bridge', 'br0', 'ipfix=@n', '--', '--id=@n', 'create', 'IPFIX', 'targets="127.0.0.1:4000"', 'sampling=1', 'cache_active_timeout=1', 'obs_domain_id=123', 'obs_point_id=456'],
      sf: ['--', 'set', 'bridge', 'br0', 'sflow=@n', '--', '--id=@n', 'create', 'sFlow', 'targets="127.0.0.1:4000"', 'sampling=1', 'polling=1', 'agent=lo', 'header=96'],
    })) {
      const c = await lab.collect('--listen', 'udp://127.0.0.1:4000', '--listen', 'tcp://127.0.0.1:4000');
      const d = await lab.record(`${name}.pcap`, 4000);
      ovs.configure(...conf);
      for (const f of trafficFrames()) ovs.receive('p1', f);
      console.log(name, 'sent', Date.now() - t);
      await sleep(3000);
      if (name === 'nf') { ovs.control('dpctl/del-flows'); }
      await c.quiet(1200, 8000).catch((e) => console.log(name, String(e)));
      ovs.configure('clear', 'bridge', 'br0', 'netflow', '--', 'clear', 'bridge', 'br0', 'ipfix', '--', 'clear', 'bridge', 'br0', 'sflow');
      await sleep(300);
      await c.stop();
      await d.stop('SIGINT');
      console.log(name, c.lines.length, Date.now() - t);
      copyFileSync(lab.path(`${name}.pcap`), `/tmp/live/ovs-${name}.pcap`);
      writeFileSync(`/tmp/live/ovs-${name}.jsonl`, c.stdout);
    }
  } finally { await lab.close(); }
});
