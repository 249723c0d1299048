import { describe, expect, it } from 'vitest';
import type { DefinitionFile } from '../../src/ie/definition-file.ts';
import type { InformationElement } from '../../src/ie/element.ts';
import {
  loadBuiltInRegistry,
  NETFLOW9_SCOPE_ENTERPRISE_NUMBER,
  REVERSE_ENTERPRISE_NUMBER,
  Registry,
} from '../../src/ie/registry.ts';

const registry = loadBuiltInRegistry();

function file(change: Partial<DefinitionFile>): DefinitionFile {
  return { title: 'test', enterpriseNumber: 32473, source: 'test', elements: [], ...change };
}

function described(change: Partial<InformationElement>): InformationElement {
  return {
    enterpriseNumber: 32473,
    id: 1,
    name: 'exampleCount',
    ntopName: undefined,
    type: 'unsigned64',
    semantics: 'default',
    units: 'none',
    isReverse: false,
    ...change,
  };
}

describe('built-in registry', () => {
  it('gives all there is to know of an element', () => {
    expect(registry.find(0, 1)).toEqual({
      enterpriseNumber: 0,
      id: 1,
      name: 'octetDeltaCount',
      ntopName: 'IN_BYTES',
      type: 'unsigned64',
      semantics: 'deltaCounter',
      units: 'octets',
      isReverse: false,
    });
  });

  it('gives defaults where a file is silent', () => {
    expect(registry.find(35632, 118)).toEqual({
      enterpriseNumber: 35632,
      id: 118,
      name: 'L7_PROTO',
      ntopName: undefined,
      type: 'unsigned16',
      semantics: 'default',
      units: 'none',
      isReverse: false,
    });
  });

  it('knows nothing of what it has no definition for', () => {
    expect(registry.find(0, 0)).toBeUndefined();
    expect(registry.find(0, 65)).toBeUndefined();
    expect(registry.find(32473, 1)).toBeUndefined();
    expect(registry.find(NETFLOW9_SCOPE_ENTERPRISE_NUMBER, 1)).toBeUndefined();
    expect(registry.findNetflow9(65)).toBeUndefined();
    expect(registry.findNetflow9(65535)).toBeUndefined();
    expect(registry.findNetflow9Scope(0)).toBeUndefined();
    expect(registry.findNetflow9Scope(6)).toBeUndefined();
    expect(registry.findByName('')).toBeUndefined();
    expect(registry.findByName('constructor')).toBeUndefined();
  });

  it('does not take NetFlow version 9 field types for IANA elements', () => {
    expect(registry.find(0, 33000)).toBeUndefined();
    expect(registry.find(0, 57590)).toBeUndefined();
    expect(registry.find(35632, 57590)).toBeUndefined();
  });

  it('is read in under 10 ms', () => {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 20 && best >= 10; i++) {
      const startMs = performance.now();
      loadBuiltInRegistry();
      best = Math.min(best, performance.now() - startMs);
    }
    expect(best).toBeLessThan(10);
  });
});

describe('NetFlow version 9', () => {
  it.each([
    [8, 0, 8, 'sourceIPv4Address'],
    [225, 0, 225, 'postNATSourceIPv4Address'],
    [33002, 0, 33002, 'firewallEventExtended'],
    [40005, 0, 40005, 'firewallEvent'],
    [45004, 9, 12236, 'clientIPv4Address'],
    [37083, 9, 4315, 'tcpWindowSizeMin'],
    [56701, 0, 56701, 'paloAltoAppId'],
    [57590, 35632, 118, 'L7_PROTO'],
    [57640, 35632, 168, 'SRC_PROC_PID'],
    [58509, 35632, 1037, 'L4_SRV_PORT_MAP'],
  ])('field type %i is element %i.%i, %s', (fieldType, enterpriseNumber, id, name) => {
    expect(registry.findNetflow9(fieldType)).toMatchObject({ enterpriseNumber, id, name });
  });

  it.each([
    [1, 'scopeSystem'],
    [2, 'scopeInterface'],
    [3, 'scopeLineCard'],
    [4, 'scopeCache'],
    [5, 'scopeTemplate'],
  ])('scope type %i is %s (RFC 3954 section 6.1)', (scopeType, name) => {
    expect(registry.findNetflow9Scope(scopeType)).toMatchObject({
      enterpriseNumber: NETFLOW9_SCOPE_ENTERPRISE_NUMBER,
      id: scopeType,
      name,
    });
  });

  it('field types of its own come before an offset, an offset before IANA', () => {
    const atOffset = file({ netflow9Offset: 100, elements: [{ id: 5, name: 'ofEnterprise', type: 'string' }] });
    const small = new Registry([
      file({ enterpriseNumber: 0, elements: [{ id: 105, name: 'ofIana', type: 'string' }] }),
      atOffset,
    ]);
    expect(small.findNetflow9(105)?.name).toBe('ofEnterprise');
    expect(small.find(0, 105)?.name).toBe('ofIana');
    const own = file({
      enterpriseNumber: 0,
      netflow9Only: true,
      elements: [{ id: 105, name: 'ofVersion9', type: 'string' }],
    });
    expect(small.withDefinitions([own]).findNetflow9(105)?.name).toBe('ofVersion9');
    expect(small.withDefinitions([own]).find(0, 105)?.name).toBe('ofIana');
    expect(new Registry([own]).withDefinitions([atOffset]).findNetflow9(105)?.name).toBe('ofVersion9');
  });
});

describe('reverse elements (RFC 5103)', () => {
  it.each([
    [1, 'reverseOctetDeltaCount', 'unsigned64'],
    [2, 'reversePacketDeltaCount', 'unsigned64'],
    [6, 'reverseTcpControlBits', 'unsigned16'],
    [156, 'reverseFlowStartNanoseconds', 'dateTimeNanoseconds'],
    [236, 'reverseVRFname', 'string'],
  ])('29305.%i is %s (section 6.1)', (id, name, type) => {
    const element = registry.find(29305, id);
    expect(element).toMatchObject({ enterpriseNumber: 29305, id, name, type, ntopName: undefined, isReverse: true });
    expect(registry.findByName(name)).toBe(element);
    expect(registry.find(0, id)?.isReverse).toBe(false);
  });

  it('keep semantics and units', () => {
    expect(registry.find(29305, 85)).toMatchObject({ semantics: 'totalCounter', units: 'octets' });
  });

  it('exist only for elements that do', () => {
    expect(registry.find(29305, 65)).toBeUndefined();
    expect(registry.find(29305, 33000)).toBeUndefined();
  });

  // YAF sends 6871.16398 for the reverse of 6871.14, whose offset is bit 14 (RFC 5103 section 6.2).
  it('of CERT are 16384 above their forward elements', () => {
    expect(registry.find(6871, 14)).toMatchObject({ name: 'initialTCPFlags', isReverse: false });
    expect(registry.find(6871, 16398)).toMatchObject({ name: 'reverseInitialTCPFlags', isReverse: true });
    expect(registry.find(6871, 16385)).toBeUndefined();
  });

  it('of an enterprise are none for numbers at or above its offset', () => {
    const elements = [
      { id: 99, name: 'below', type: 'string' as const },
      { id: 100, name: 'at', type: 'string' as const },
      { id: 150, name: 'above', type: 'string' as const },
    ];
    const small = new Registry([file({ reverseOffset: 100, elements })]);
    expect(small.find(32473, 199)?.name).toBe('reverseBelow');
    expect(small.find(32473, 200)).toBeUndefined();
    expect(small.find(32473, 250)).toBeUndefined();
    expect(small.find(32473, 150)?.isReverse).toBe(false);
  });

  it('follow a definition on top, and yield to one of their own', () => {
    const changed = registry.withDefinitions([
      file({ enterpriseNumber: 0, elements: [{ id: 600, name: 'newCount', type: 'unsigned32' }] }),
      file({
        enterpriseNumber: REVERSE_ENTERPRISE_NUMBER,
        elements: [{ id: 2, name: 'packetsBack', type: 'unsigned32' }],
      }),
    ]);
    expect(changed.find(29305, 600)).toMatchObject({ name: 'reverseNewCount', type: 'unsigned32' });
    expect(changed.find(29305, 2)).toMatchObject({ name: 'packetsBack' });
  });
});

describe('look-up by name', () => {
  it.each([
    ['octetDeltaCount', 0, 1],
    ['IN_BYTES', 0, 1],
    ['SRC_TO_DST_BYTES', 0, 1],
    ['L7_PROTO', 35632, 118],
    ['HTTP_UA', 35632, 183],
    ['APPLICATION_NAME', 0, 96],
    ['userName', 0, 371],
    ['POST_NAT_SRC_IPV4_ADDR', 0, 225],
    ['POST_NAT_SRC_TRANSPORT_PORT', 0, 227],
    ['httpUserAgent', 0, 468],
    ['NF_F_FW_EXT_EVENT', 0, 33002],
    ['initialTCPFlags', 6871, 14],
  ])('%s is %i.%i', (name, enterpriseNumber, id) => {
    expect(registry.findByName(name)).toMatchObject({ enterpriseNumber, id });
  });

  it('minds case', () => {
    expect(registry.findByName('in_bytes')).toBeUndefined();
  });

  it('a name beats an alias, whatever the order', () => {
    const aliased = file({
      enterpriseNumber: 1,
      elements: [{ id: 1, name: 'one', aliases: ['two'], type: 'string' }],
    });
    const named = file({ enterpriseNumber: 2, elements: [{ id: 2, name: 'two', type: 'string' }] });
    expect(new Registry([aliased, named]).findByName('two')?.id).toBe(2);
    expect(new Registry([named, aliased]).findByName('two')?.id).toBe(2);
    expect(new Registry([aliased]).findByName('two')?.id).toBe(1);
  });
});

describe('definitions on top', () => {
  const changed = registry.withDefinitions([
    file({ elements: [{ id: 7, name: 'exampleText', ntopName: 'EXAMPLE_TEXT', type: 'string' }] }),
    file({ enterpriseNumber: 35632, elements: [{ id: 118, name: 'NDPI', type: 'string' }] }),
    file({ elements: [{ id: 8, name: 'userName', type: 'string' }] }),
  ]);

  it('add', () => {
    expect(changed.find(32473, 7)).toMatchObject({ name: 'exampleText', ntopName: 'EXAMPLE_TEXT', type: 'string' });
    expect(changed.findByName('EXAMPLE_TEXT')?.id).toBe(7);
  });

  it('override, in version 9 too', () => {
    expect(changed.find(35632, 118)).toMatchObject({ name: 'NDPI', type: 'string' });
    expect(changed.findNetflow9(57590)).toMatchObject({ name: 'NDPI', type: 'string' });
    expect(changed.findByName('L7_PROTO')).toBe(changed.find(35632, 118));
  });

  it('have the first claim to a name', () => {
    expect(changed.findByName('userName')).toMatchObject({ enterpriseNumber: 32473, id: 8 });
  });

  it('leave the registry below as it was', () => {
    expect(registry.find(32473, 7)).toBeUndefined();
    expect(registry.find(35632, 118)?.name).toBe('L7_PROTO');
    expect(registry.findByName('userName')?.id).toBe(371);
  });
});

describe('overlay', () => {
  it('adds what an exporter describes, for that exporter alone', () => {
    const overlay = registry.overlay();
    const element = described({});
    expect(overlay.add(element)).toBe('added');
    expect(overlay.find(32473, 1)).toBe(element);
    expect(overlay.findByName('exampleCount')).toBe(element);
    expect(overlay.size).toBe(1);
    expect(registry.find(32473, 1)).toBeUndefined();
    expect(registry.overlay().find(32473, 1)).toBeUndefined();
  });

  it('still knows everything below', () => {
    const overlay = registry.overlay();
    expect(overlay.find(0, 1)).toBe(registry.find(0, 1));
    expect(overlay.find(29305, 1)).toBe(registry.find(29305, 1));
    expect(overlay.findNetflow9(57590)).toBe(registry.findNetflow9(57590));
    expect(overlay.findNetflow9Scope(1)).toBe(registry.findNetflow9Scope(1));
    expect(overlay.findByName('IN_BYTES')).toBe(registry.findByName('IN_BYTES'));
  });

  it('tells a refresh from a change', () => {
    const overlay = registry.overlay();
    overlay.add(described({}));
    expect(overlay.add(described({}))).toBe('unchanged');
    expect(overlay.add(described({ type: 'unsigned32' }))).toBe('changed');
    expect(overlay.add(described({ type: 'unsigned32', units: 'octets' }))).toBe('changed');
    expect(overlay.add(described({ type: 'unsigned32', units: 'octets', semantics: 'flags' }))).toBe('changed');
    expect(overlay.find(32473, 1)).toMatchObject({ type: 'unsigned32', units: 'octets', semantics: 'flags' });
    expect(overlay.size).toBe(1);
  });

  it('forgets the name a changed element had', () => {
    const overlay = registry.overlay();
    overlay.add(described({}));
    expect(overlay.add(described({ name: 'otherCount' }))).toBe('changed');
    expect(overlay.findByName('exampleCount')).toBeUndefined();
    expect(overlay.add(described({ id: 2 }))).toBe('added');
    expect(overlay.findByName('exampleCount')?.id).toBe(2);
  });

  it('replaces no element of a definition file', () => {
    const overlay = registry.overlay();
    expect(overlay.add(described({ enterpriseNumber: 0, id: 8, name: 'mine', type: 'string' }))).toBe('standard');
    expect(overlay.add(described({ enterpriseNumber: 35632, id: 118, name: 'mine' }))).toBe('standard');
    expect(overlay.add(described({ enterpriseNumber: 29305, id: 1, name: 'mine' }))).toBe('standard');
    expect(overlay.find(0, 8)?.type).toBe('ipv4Address');
    expect(overlay.findByName('mine')).toBeUndefined();
    expect(overlay.size).toBe(0);
  });

  it.each(['sourceIPv4Address', 'IPV4_SRC_ADDR', 'SRC_TO_DST_BYTES', 'reverseOctetDeltaCount', 'L7_PROTO'])(
    'does not let an exporter call an element of its own %s',
    (name) => {
      const overlay = registry.overlay();
      expect(overlay.add(described({ name }))).toBe('name_taken');
      expect(overlay.find(32473, 1)).toBeUndefined();
      expect(overlay.findByName(name)).toBe(registry.findByName(name));
    },
  );

  it('does not let two elements of an exporter have one name', () => {
    const overlay = registry.overlay();
    overlay.add(described({}));
    overlay.add(described({ id: 2, name: 'otherCount' }));
    expect(overlay.add(described({ enterpriseNumber: 32474 }))).toBe('name_taken');
    expect(overlay.add(described({ id: 2 }))).toBe('name_taken');
    expect(overlay.find(32473, 2)?.name).toBe('otherCount');
  });

  it('holds no more than its limit, and changes what it has when full', () => {
    const overlay = registry.overlay(3);
    for (let id = 1; id <= 5; id++) {
      expect(overlay.add(described({ id, name: `example${id}` }))).toBe(id <= 3 ? 'added' : 'full');
    }
    expect(overlay.size).toBe(3);
    expect(overlay.find(32473, 4)).toBeUndefined();
    expect(overlay.add(described({ id: 3, name: 'example3', type: 'string' }))).toBe('changed');
  });

  it('holds 4,096 unless told otherwise', () => {
    const overlay = registry.overlay();
    for (let id = 1; id <= 5000; id++) overlay.add(described({ id, name: `example${id}` }));
    expect(overlay.size).toBe(4096);
  });
});
