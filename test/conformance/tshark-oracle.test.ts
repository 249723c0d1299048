import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  CORPORA,
  cataloguedCaptures,
  compareMultisets,
  decodeCapture,
  exporterOf,
  hasCorpora,
  type Line,
  oraclePath,
  textOf,
} from '../support/conformance-capture.ts';

const captures = cataloguedCaptures().filter(({ path }) => existsSync(join(CORPORA, oraclePath(path, 'tshark.tsv'))));

/** Rows of one kind of the oracle, without the kind and the frame number. */
function oracleRows(capture: string, kind: string): string[][] {
  return readFileSync(join(CORPORA, oraclePath(capture, 'tshark.tsv')), 'utf8')
    .split('\n')
    .map((line) => line.split('\t'))
    .filter((cells) => cells[0] === kind)
    .map((cells) => cells.slice(2));
}

function versionOf({ ntop }: Line): string {
  const version = ntop.EXPORT_PROTOCOL_VERSION;
  return version === 10 ? 'ipfix' : `v${version}`;
}

function flowRow(line: Line): string {
  const { iana } = line;
  const pick = (four: string, six: string): string => {
    const address = iana[four];
    return textOf(address === undefined || (address === '0.0.0.0' && iana[six] !== undefined) ? iana[six] : address);
  };
  return [
    versionOf(line),
    exporterOf(line),
    textOf(iana.observationDomainId ?? iana.engineId),
    textOf(iana.templateId),
    pick('sourceIPv4Address', 'sourceIPv6Address'),
    pick('destinationIPv4Address', 'destinationIPv6Address'),
    textOf(iana.sourceTransportPort),
    textOf(iana.destinationTransportPort),
    textOf(iana.protocolIdentifier),
    textOf(iana.octetDeltaCount ?? iana.postOctetDeltaCount),
    textOf(iana.packetDeltaCount ?? iana.postPacketDeltaCount),
    textOf(iana.reverseOctetDeltaCount),
    textOf(iana.reversePacketDeltaCount),
  ].join(' ');
}

function sampleRow({ iana }: Line): string {
  return [
    textOf(iana.sflowAgentAddress),
    textOf(iana.sflowSubAgentId),
    textOf(iana.SFLOW_SOURCE_ID_INDEX),
    textOf(iana.samplingInterval),
    textOf(iana.ingressInterface),
    textOf(iana.egressInterface),
    textOf(iana.dataLinkFrameSize),
    textOf(iana.sourceIPv4Address ?? iana.sourceIPv6Address),
    textOf(iana.destinationIPv4Address ?? iana.destinationIPv6Address),
    textOf(iana.sourceTransportPort),
    textOf(iana.destinationTransportPort),
    textOf(iana.protocolIdentifier),
  ].join(' ');
}

describe.skipIf(!hasCorpora)('captures against tshark', () => {
  it.each(captures)('$path', ({ path }) => {
    const { lines, templates } = decodeCapture(path);
    const isSample = (line: Line) => line.ntop.EXPORT_PROTOCOL === 'sFlow';
    const isFlow = (line: Line) => line.ntop.RECORD_TYPE === 'flow' || line.ntop.RECORD_TYPE === 'event';
    const out: Record<string, unknown> = {};
    const flows = compareMultisets(
      oracleRows(path, 'flow').map((c) => c.join(' ')),
      lines.filter((l) => isFlow(l) && !isSample(l)).map(flowRow),
    );
    const tm = compareMultisets(
      oracleRows(path, 'tmpl').map(([version, exporter, domain, kind, id, fields]) => [version, exporter, domain, kind, id, fields].join(' ')),
      templates.map(({ exporter, domain, template }) =>
        [template.version === 10 ? 'ipfix' : 'v9', exporter, domain, template.scopeFieldCount >= 0 ? 'options' : 'data', template.id, template.fields.length].join(' '),
      ),
    );
    const sm = compareMultisets(
      oracleRows(path, 'smpl').map(([agent, sub, , ...rest]) => [agent, sub, ...rest].join(' ')),
      lines.filter((l) => isFlow(l) && isSample(l)).map(sampleRow),
    );
    expect({ flows, tm, sm }).toEqual({
      flows: { agreeing: flows.agreeing, missing: [], surplus: [] },
      tm: { agreeing: tm.agreeing, missing: [], surplus: [] },
      sm: { agreeing: sm.agreeing, missing: [], surplus: [] },
    });
  });
});
