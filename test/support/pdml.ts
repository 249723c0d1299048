/** What tshark makes of a capture, as a tree. */

import { execFileSync } from 'node:child_process';

/** A protocol or a field. */
export interface PdmlNode {
  /** `proto` or `field`. */
  readonly element: string;
  /** tshark's filter name, `''` for a heading. */
  readonly name: string;
  /** The value as tshark shows it. */
  readonly show: string;
  /** The line as a person sees it. */
  readonly label: string;
  /** Octets in hexadecimal. */
  readonly value: string;
  readonly children: readonly PdmlNode[];
}

/** One packet of a capture. */
export interface PdmlPacket {
  /** Its protocols, outermost first. */
  readonly protocols: readonly PdmlNode[];
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' };

function plain(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|(\w+));/gi, (whole, code: string | undefined, name: string) =>
    code === undefined ? (ENTITIES[name] ?? whole) : String.fromCodePoint(Number.parseInt(code, 16)),
  );
}

/** Reads a capture file; `decodeAs` is what `-d` takes, `udp.port==2055,cflow`. */
export function readPdml(file: string, decodeAs: readonly string[]): PdmlPacket[] {
  const text = execFileSync('tshark', ['-n', '-r', file, ...decodeAs.flatMap((rule) => ['-d', rule]), '-T', 'pdml'], {
    encoding: 'utf8',
    env: { ...process.env, TZ: 'UTC' },
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return parsePdml(text);
}

/** Parses PDML, of which tshark writes a regular kind: attributes in double quotes, no text between elements. */
export function parsePdml(text: string): PdmlPacket[] {
  const packets: PdmlPacket[] = [];
  const open: PdmlNode[][] = [[]];
  for (const [tag, closing, element, attributes, end] of text.matchAll(
    /<(\/?)(packet|proto|field)\b([^<>]*?)(\/?)>/g,
  )) {
    if (closing === '/') {
      const children = open.pop()!;
      if (element === 'packet') packets.push({ protocols: children });
      continue;
    }
    if (element === 'packet') {
      open.push([]);
      continue;
    }
    const children: PdmlNode[] = [];
    const attribute = (name: string) => plain(new RegExp(` ${name}="([^"]*)"`).exec(` ${attributes}`)?.[1] ?? '');
    open.at(-1)!.push({
      element: element!,
      name: attribute('name'),
      show: attribute('show'),
      label: attribute('showname'),
      value: attribute('value'),
      children,
    });
    if (end !== '/') open.push(children);
    if (tag === undefined) break;
  }
  return packets;
}

/** The first node of a name below `nodes`, depth first. */
export function findNode(nodes: readonly PdmlNode[], name: string): PdmlNode | undefined {
  for (const node of nodes) {
    const found = node.name === name ? node : findNode(node.children, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** All nodes below `nodes` that `isWanted`, in order; what is below a wanted one is not looked at. */
export function allNodes(nodes: readonly PdmlNode[], isWanted: (node: PdmlNode) => boolean): PdmlNode[] {
  return nodes.flatMap((node) => (isWanted(node) ? [node] : allNodes(node.children, isWanted)));
}
