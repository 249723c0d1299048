import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import {
  type EngineAnswer,
  type EngineClient,
  isContainerId,
  isObject,
  kubernetesParts,
  type ListedContainer,
  listedContainer,
  MAX_LISTED,
  textOf,
} from './listed-container.ts';

/** Limits of one answer, and of one line among the events. */
const MAX_ANSWER_OCTETS = 8 * 1024 * 1024;
const MAX_EVENT_LENGTH = 256 * 1024;

/** What happened to a container, as far as its names go. */
export type ContainerChange =
  | { readonly kind: 'named'; readonly container: ListedContainer }
  | { readonly kind: 'removed'; readonly id: string };

/** Settings of {@link DockerEngine}. */
export interface DockerEngineOptions {
  readonly socketPath: string;
  /** Limit of one question, 5 s by default. */
  readonly timeoutMs?: number;
}

/**
 * Docker or Podman by the Docker Engine API on a unix socket. No version is named in the paths: every engine serves that form. Podman's answers
 * under /version tell which of the two it is, since its socket may stand in Docker's place.
 */
export class DockerEngine implements EngineClient {
  readonly socketPath: string;
  /** Lines among the events that could not be read. */
  eventsInvalid = 0;
  readonly #timeoutMs: number;
  readonly #requests = new Set<ClientRequest>();
  #engine: 'docker' | 'podman' | undefined;
  #isClosed = false;

  constructor(options: DockerEngineOptions) {
    this.socketPath = options.socketPath;
    this.#timeoutMs = options.timeoutMs ?? 5_000;
  }

  async list(): Promise<EngineAnswer> {
    if (this.#engine === undefined) {
      const version = await this.#get('/version');
      if (version.kind !== 'body') return version;
      this.#engine = isPodman(version.body) ? 'podman' : 'docker';
    }
    const answer = await this.#get('/containers/json');
    if (answer.kind !== 'body') return answer;
    const containers = readContainerList(answer.body, this.#engine);
    return containers === undefined
      ? { kind: 'failed', reason: 'no list of containers in the answer to /containers/json' }
      : { kind: 'listed', containers };
  }

  /** Follows the events until the engine ends them, which `onEnd` tells once. To be called after a first list. */
  follow(onChange: (change: ContainerChange) => void, onEnd: () => void): void {
    const filters = encodeURIComponent(JSON.stringify({ type: ['container'] }));
    let ended = false;
    const end = () => {
      if (!ended) onEnd();
      ended = true;
    };
    const call = this.#request(`/events?filters=${filters}`, (response) => {
      if (response.statusCode !== 200) return void call.destroy();
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop()!;
        for (const line of lines) this.#readEvent(line, onChange);
        // An event without end: what it belongs to is not known any more.
        if (rest.length > MAX_EVENT_LENGTH) call.destroy();
      });
      response.on('error', () => {});
      response.on('close', end);
    });
    call.on('close', end);
    call.on('error', () => {});
    call.end();
  }

  close(): void {
    this.#isClosed = true;
    for (const call of this.#requests) call.destroy();
  }

  #readEvent(line: string, onChange: (change: ContainerChange) => void): void {
    if (line.trim() === '') return;
    const change = readEvent(line, this.#engine ?? 'docker');
    if (change === undefined) this.eventsInvalid++;
    else if (change !== 'other') onChange(change);
  }

  #request(path: string, onResponse: (response: IncomingMessage) => void): ClientRequest {
    const call = request(
      { socketPath: this.socketPath, path, headers: { host: 'localhost' }, agent: false },
      onResponse,
    );
    this.#requests.add(call);
    call.on('close', () => this.#requests.delete(call));
    return call;
  }

  #get(path: string): Promise<{ kind: 'body'; body: unknown } | Exclude<EngineAnswer, { kind: 'listed' }>> {
    return new Promise((resolve) => {
      if (this.#isClosed) return resolve({ kind: 'failed', reason: 'closed' });
      const fail = (reason: string) => {
        clearTimeout(timer);
        resolve({ kind: 'failed', reason });
        call.destroy();
      };
      const call = this.#request(path, (response) => {
        const chunks: Buffer[] = [];
        let octets = 0;
        if (response.statusCode !== 200) return fail(`HTTP status ${response.statusCode} for ${path}`);
        response.on('data', (chunk: Buffer) => {
          octets += chunk.length;
          if (octets > MAX_ANSWER_OCTETS) fail(`an answer of more than ${MAX_ANSWER_OCTETS} octets to ${path}`);
          else chunks.push(chunk);
        });
        response.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
        response.on('end', () => {
          clearTimeout(timer);
          const body = parsed(Buffer.concat(chunks).toString());
          resolve(
            body === undefined
              ? { kind: 'failed', reason: `no JSON in the answer to ${path}` }
              : { kind: 'body', body },
          );
        });
      });
      // One clock for all of it: an engine that sends an octet now and then does not hold us.
      const timer = setTimeout(() => fail(`no answer to ${path} within ${this.#timeoutMs} ms`), this.#timeoutMs);
      call.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') {
          clearTimeout(timer);
          resolve({ kind: 'absent' });
        } else fail(error.code ?? error.message);
      });
      call.end();
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isPodman(version: unknown): boolean {
  const components = isObject(version) ? version['Components'] : undefined;
  return Array.isArray(components) && components.some((component) => textOf(component, 'Name').startsWith('Podman'));
}

/** The answer to /containers/json as JSON gives it; undefined where it is no list. What is no container in it is passed over. */
export function readContainerList(body: unknown, engine: 'docker' | 'podman'): ListedContainer[] | undefined {
  if (!Array.isArray(body)) return undefined;
  const listed: ListedContainer[] = [];
  for (const container of body.slice(0, MAX_LISTED)) {
    const id = textOf(container, 'Id');
    if (!isObject(container) || !isContainerId(id)) continue;
    const names = Array.isArray(container['Names']) ? container['Names'] : [];
    const first: unknown = names.find((name) => typeof name === 'string');
    const labels = container['Labels'];
    const name = nameOf(typeof first === 'string' ? first : '');
    const network = textOf(container['HostConfig'], 'NetworkMode');
    const networkId = network.startsWith('container:') ? network.slice('container:'.length) : id;
    const parts = partsOf(name, (key) => textOf(labels, key), textOf(container, 'Image'), engine);
    listed.push(listedContainer(id, engine, { ...parts, networkId }));
  }
  return listed;
}

/**
 * One line of /events: a change, `'other'` where it changes no name, undefined where it is no event. Events give labels beside what they tell
 * themselves, which is the name of the container alone; engines write theirs last.
 */
export function readEvent(line: string, engine: 'docker' | 'podman'): ContainerChange | 'other' | undefined {
  const event = parsed(line);
  const actor = isObject(event) ? event['Actor'] : undefined;
  const id = textOf(actor, 'ID');
  if (!isObject(actor) || !isContainerId(id) || textOf(event, 'Type') !== 'container') return undefined;
  switch (textOf(event, 'Action')) {
    case 'create':
    case 'start':
    case 'rename': {
      const attributes = actor['Attributes'];
      const label = (key: string) => textOf(attributes, key);
      return {
        kind: 'named',
        container: listedContainer(id, engine, partsOf(nameOf(label('name')), label, label('image'), engine)),
      };
    }
    case 'destroy':
    case 'remove':
      return { kind: 'removed', id };
    default:
      return 'other';
  }
}

function partsOf(engineName: string, label: (key: string) => string, image: string, engine: 'docker' | 'podman') {
  const isInfra = engine === 'podman' && engineName.endsWith('-infra') && image.includes('podman-pause');
  const kubernetes = kubernetesParts(label);
  return { engineName, ...kubernetes, isSandbox: kubernetes.isSandbox === true || isInfra };
}

function nameOf(text: string): string {
  return text.startsWith('/') ? text.slice(1) : text;
}
