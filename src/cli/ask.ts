/** `exporters` and `templates`: what a running collector knows, asked over its status page. */

import { get } from 'node:http';
import { parseHostPort } from '../pipeline/listen-url.ts';
import { sayLine } from './plain-line.ts';
import { formatTable } from './table.ts';

/** What can be asked for. */
export type Question = 'exporters' | 'templates';

/** Name the status page gives to a session or a Template. */
interface SessionAnswer {
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
  readonly version: number;
  readonly domain: number;
}

interface ExporterAnswer extends SessionAnswer {
  readonly lastSeen: string;
  readonly sampling: number;
  readonly templates: number;
  readonly counters: Readonly<Record<string, number>>;
}

interface TemplateAnswer extends SessionAnswer {
  readonly template: number;
  readonly kind: string;
  readonly announced: string;
  readonly fields: readonly { readonly element: number; readonly enterprise: number; readonly length: number }[];
}

interface Answer {
  readonly total: number;
  readonly exporters?: readonly ExporterAnswer[];
  readonly templates?: readonly TemplateAnswer[];
}

const TIMEOUT_MS = 10_000;
/** More than a person reads and a status page gives unasked. */
const LIMIT = 100_000;

/** Asks the collector at `status` (`HOST:PORT`), prints a table or JSON, and gives the exit code. */
export async function runAsk(question: Question, status: string, wantsJson: boolean): Promise<number> {
  if (status === 'off') {
    sayLine('--status: must say where the status page is, not off');
    return 2;
  }
  let text: string;
  try {
    text = await fetchText(status, `/${question}?limit=${LIMIT}`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    sayLine(`cannot ask ${status}: ${code === 'ECONNREFUSED' ? 'no flowrelay serves its status there' : message}`);
    return 1;
  }
  if (wantsJson) {
    process.stdout.write(text);
    return 0;
  }
  const answer = JSON.parse(text) as Answer;
  process.stdout.write(
    question === 'exporters' ? exportersTable(answer.exporters ?? []) : templatesTable(answer.templates ?? []),
  );
  return 0;
}

function fetchText(status: string, path: string): Promise<string> {
  const { address, port } = parseHostPort(status);
  return new Promise((resolve, reject) => {
    const request = get({ host: address, port, path, timeout: TIMEOUT_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200 && text.startsWith('{')) resolve(text);
        else reject(new Error(`it answers with status ${response.statusCode}, so it is no flowrelay`));
      });
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', reject);
  });
}

function protocolOf({ protocol, version }: SessionAnswer): string {
  return protocol === 'IPFIX' ? protocol : `${protocol} v${version}`;
}

function exportersTable(exporters: readonly ExporterAnswer[]): string {
  const header = [
    'ADDRESS',
    'PORT',
    'PROTOCOL',
    'DOMAIN',
    'MESSAGES',
    'FLOWS',
    'LOST',
    'FAULTS',
    'TEMPLATES',
    'SAMPLING',
    'LAST SEEN',
  ];
  const rows = exporters.map((exporter) => {
    const { counters } = exporter;
    const faults = Object.values((counters['faults'] ?? {}) as Readonly<Record<string, number>>);
    return [
      exporter.address,
      exporter.port,
      protocolOf(exporter),
      exporter.domain,
      counters['messagesReceived'] ?? 0,
      counters['flowRecords'] ?? 0,
      (counters['sequenceLost'] ?? 0) - (counters['sequenceLate'] ?? 0),
      faults.reduce((sum, count) => sum + count, 0),
      exporter.templates,
      exporter.sampling === 0 ? '-' : exporter.sampling,
      exporter.lastSeen,
    ];
  });
  return formatTable(header, rows);
}

function templatesTable(templates: readonly TemplateAnswer[]): string {
  const header = [
    'ADDRESS',
    'PORT',
    'PROTOCOL',
    'DOMAIN',
    'TEMPLATE',
    'KIND',
    'ANNOUNCED',
    'FIELDS (element:octets, PEN.element:octets)',
  ];
  const rows = templates.map((template) => [
    template.address,
    template.port,
    protocolOf(template),
    template.domain,
    template.template,
    template.kind,
    template.announced,
    template.fields
      .map(
        ({ element, enterprise, length }) =>
          `${enterprise === 0 ? '' : `${enterprise}.`}${element}:${length === 65535 ? 'variable' : length}`,
      )
      .join(' '),
  ]);
  return formatTable(header, rows);
}
