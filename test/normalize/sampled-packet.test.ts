import { describe, expect, it } from 'vitest';
import { SLOT } from '../../src/flow/fields.ts';
import { Flow } from '../../src/flow/flow.ts';
import { fieldEntry, Layout } from '../../src/flow/layout.ts';
import { Origin } from '../../src/flow/origin.ts';
import { SampledPacket } from '../../src/normalize/sampled-packet.ts';
import { LINK_ETHERNET, LINK_IPV4 } from '../../src/packet/link-type.ts';
import { hex, ipv4, type Octets, TCP_FRAME, words } from '../support/sflow-builder.ts';
import { copyFlow } from '../support/sflow-harness.ts';

const BASE = new Layout('flow', [fieldEntry('packets')]);

function describePacket(
  octets: Octets,
  linkType = LINK_ETHERNET,
  base = BASE,
  packet = new SampledPacket(),
  flow = new Flow(new Origin()),
) {
  flow.bytes = Uint8Array.from([9, 9, 9, ...octets, 9]);
  flow.view = new DataView(flow.bytes.buffer);
  flow.attachments.length = 0;
  const mask = packet.describe(flow, flow.view, 3, 3 + octets.length, linkType, base);
  flow.layout = packet.layoutFor(base, mask);
  return copyFlow(flow);
}

describe('SampledPacket', () => {
  it('fills what the packet says and leaves what was reported', () => {
    const base = new Layout('flow', [fieldEntry('sourcePort'), fieldEntry('maximumTtl'), fieldEntry('sourceMac')]);
    const flow = new Flow(new Origin());
    flow.words[SLOT.sourcePort] = 1;
    flow.words[SLOT.maximumTtl] = 2;
    const { fields } = describePacket(TCP_FRAME, LINK_ETHERNET, base, new SampledPacket(), flow);
    expect(fields).toMatchObject({
      sourcePort: 1,
      maximumTtl: 2,
      destinationPort: 50_000,
      destinationMac: '001122334455',
    });
    expect(fields).not.toHaveProperty('minimumTtl');
    expect(flow.words[SLOT.sourceMac]).toBe(0);
  });

  it('gives packets of a kind the same layout, kinds apart and bases apart', () => {
    const packet = new SampledPacket();
    const flow = new Flow(new Origin());
    const layoutOf = (octets: Octets, base = BASE) => {
      describePacket(octets, LINK_ETHERNET, base, packet, flow);
      return flow.layout;
    };
    const other = new Layout('event', []);
    const short = TCP_FRAME.slice(0, 34);
    const first = layoutOf(TCP_FRAME);
    const second = layoutOf(short);
    const third = layoutOf(TCP_FRAME, other);
    expect(layoutOf(TCP_FRAME)).toBe(first);
    expect(layoutOf(short)).toBe(second);
    expect(layoutOf(TCP_FRAME, other)).toBe(third);
    expect(new Set([first, second, third]).size).toBe(3);
    expect(third.recordType).toBe('event');
    expect(layoutOf([])).toBe(BASE);
  });

  it('keeps a bounded number of layouts and stays right beyond it', () => {
    const packet = new SampledPacket();
    for (let i = 0; i < 5000; i++) {
      const base = new Layout('flow', [fieldEntry('packets')]);
      const { fields } = describePacket(i % 2 === 0 ? TCP_FRAME : TCP_FRAME.slice(0, 34), LINK_ETHERNET, base, packet);
      expect(Object.keys(fields).length).toBe(i % 2 === 0 ? 14 : 11);
    }
  });

  it('forgets the layouts of few bases with many kinds of packets too', () => {
    const packet = new SampledPacket();
    const flow = new Flow(new Origin());
    describePacket(TCP_FRAME, LINK_ETHERNET, BASE, packet, flow);
    const first = flow.layout;
    for (let i = 0; i < 1200; i++) {
      const base = new Layout('flow', [fieldEntry('packets')]);
      for (const octets of [TCP_FRAME, TCP_FRAME.slice(0, 34)])
        describePacket(octets, LINK_ETHERNET, base, packet, flow);
    }
    describePacket(TCP_FRAME, LINK_ETHERNET, BASE, packet, flow);
    expect(flow.layout).not.toBe(first);
    expect(flow.layout.entries).toEqual(first.entries);
  });

  it('reads fragments, ICMP and IPv6', () => {
    const fragment = [
      0x45,
      0,
      0,
      28,
      0x12,
      0x34,
      0x20,
      0x03,
      64,
      17,
      0,
      0,
      ...ipv4('192.0.2.1'),
      ...ipv4('192.0.2.2'),
      ...words(1, 2),
    ];
    const { fields } = describePacket(fragment, LINK_IPV4);
    expect(fields).toMatchObject({ fragmentOffset: 3, fragmentIdentification: 0x1234, protocol: 17 });
    expect(fields).not.toHaveProperty('sourcePort');
    const icmp = [
      0x45,
      0,
      0,
      28,
      0,
      0,
      0,
      0,
      64,
      1,
      0,
      0,
      ...ipv4('192.0.2.1'),
      ...ipv4('192.0.2.2'),
      3,
      4,
      ...words(0, 0).slice(2),
    ];
    expect(describePacket(icmp, LINK_IPV4).fields).toMatchObject({ icmpType: 0x304, minimumTtl: 64 });
    expect(describePacket(icmp, LINK_IPV4).fields).not.toHaveProperty('fragmentOffset');
  });

  it('attaches ARP', () => {
    const arp = hex('ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202');
    const line = describePacket(arp);
    expect(line.fields).toMatchObject({ ethernetType: 0x806, sourceMac: '020000000001' });
    expect(line.fields).not.toHaveProperty('ipVersion');
    expect(line.attachments).toEqual({
      ARP: {
        operation: 1,
        senderMac: '02:00:00:00:00:01',
        senderIPv4: '192.0.2.1',
        targetMac: '00:00:00:00:00:00',
        targetIPv4: '192.0.2.2',
      },
    });
  });

  it('attaches at most ten labels, and none that were reported', () => {
    const labels = Array.from({ length: 12 }, (_, i) => words(((1000 + i) << 12) | (i === 11 ? 0x140 : 0x40))).flat();
    const frame = [...hex('020000000002 020000000001 8847'), ...labels, ...TCP_FRAME.slice(14)];
    const line = describePacket(frame);
    expect(Object.keys(line.attachments)).toEqual(Array.from({ length: 10 }, (_, i) => `MPLS_LABEL_${i + 1}`));
    expect(line.attachments).toMatchObject({ MPLS_LABEL_1: 1000, MPLS_LABEL_10: 1009 });
    expect(line.fields).toMatchObject({ sourcePort: 443, ethernetType: 0x8847 });
    const label = { kind: 'element', ntop: 'MPLS_LABEL_1', iana: 'x', value: 'mplsLabel' } as const;
    const base = new Layout('flow', [{ ...label, enterpriseNumber: 0, elementId: 70, positionSlot: 0, length: 3 }]);
    expect(Object.keys(describePacket(frame, LINK_ETHERNET, base).attachments)[0]).toBe('MPLS_LABEL_2');
  });
});
