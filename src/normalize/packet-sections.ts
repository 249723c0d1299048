import { SLOT } from '../flow/fields.ts';
import type { Flow } from '../flow/flow.ts';
import { LINK_ETHERNET, LINK_MPLS, LINK_RAW } from '../packet/link-type.ts';
import type { RecordPlan } from './record-plan.ts';
import { SampledPacket } from './sampled-packet.ts';

/** What the octets of a section begin with; ipPayloadPacketSection (314) has no header that says what it is. */
const LINK_TYPES: ReadonlyMap<number, number> = new Map([
  [104, LINK_ETHERNET],
  [313, LINK_RAW],
  [315, LINK_ETHERNET],
  [316, LINK_MPLS],
]);

/** Reads the packet sections of PSAMP and IPFIX records (RFC 5477 section 8.5, elements 104 and 313 to 316). */
export class PacketSections {
  private readonly packet = new SampledPacket();

  /**
   * Fills a flow with what the headers in its record's sections say and gives it the layout that has it. A record that
   * counts nothing is about one packet: its octets are those of the frame, or what its IP header says.
   */
  describe(flow: Flow, plan: RecordPlan): void {
    const { words, view, bytes } = flow;
    let { layout } = flow;
    const isPacket = !layout.has('octets') && !layout.has('packets');
    if (isPacket) layout = layout.with(['octets', 'packets']);
    let ipOctets = 0;
    for (let i = 0; i < plan.packetSections.length; i++) {
      const section = plan.packetSections[i]!;
      const linkType = LINK_TYPES.get(section.elementId);
      if (linkType === undefined) continue;
      const at = words[section.positionSlot]!;
      const end = at + (section.length < 0 ? words[section.positionSlot + 1]! : section.length);
      if (end > bytes.length || end <= at) continue;
      const mask = this.packet.describe(flow, view, at, end, linkType, layout);
      layout = this.packet.layoutFor(layout, mask);
      ipOctets = Math.max(ipOctets, this.packet.headers.ipTotalLength);
    }
    flow.layout = layout;
    if (!isPacket) return;
    flow.packets = 1;
    flow.octets = layout.has('frameLength') ? words[SLOT.frameLength]! : ipOctets;
  }
}
