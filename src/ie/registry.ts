/**
 * Element numbers and names → Information Elements, for IPFIX and NetFlow version 9.
 * Look-ups happen once per field of a Template, not per record; they are two `Map`s by number all the same.
 */

import { readdirSync, readFileSync } from 'node:fs';
import type { DefinitionFile, ElementDefinition } from './definition-file.ts';
import type { InformationElement } from './element.ts';

/** Private Enterprise Number under which IANA's elements count the reverse direction (RFC 5103 section 6.1). */
export const REVERSE_ENTERPRISE_NUMBER = 29305;

/**
 * Enterprise number of scope types of NetFlow version 9, whose numbers mean other things than elements' (scope 1 is
 * System, element 1 octets). Reserved by IANA, so that no exporter's element has it; {@link Registry.find} knows none.
 */
export const NETFLOW9_SCOPE_ENTERPRISE_NUMBER = 4294967295;

/** Most elements an exporter may describe, unless told otherwise. */
export const DEFAULT_OVERLAY_LIMIT = 4096;

/** Looks Information Elements up; the registry itself, or an exporter's {@link RegistryOverlay} over it. */
export interface ElementLookup {
  /** The element of an IPFIX Field Specifier, reverse ones included; undefined when not known (RFC 7011 section 3.2). */
  find(enterpriseNumber: number, id: number): InformationElement | undefined;
  /** The element of a NetFlow version 9 field type; undefined when not known (RFC 3954 section 8). */
  findNetflow9(fieldType: number): InformationElement | undefined;
  /** What a NetFlow version 9 scope type stands for; undefined when not known (RFC 3954 section 6.1). */
  findNetflow9Scope(scopeType: number): InformationElement | undefined;
  /** The element with this name: IANA's or the enterprise's, ntop's, or an alias. Case matters. */
  findByName(name: string): InformationElement | undefined;
}

type ElementsById = Map<number, InformationElement>;

/** All elements known from definition files. Never changes once made, so that everyone may share it. */
export class Registry implements ElementLookup {
  private readonly load: () => readonly DefinitionFile[];
  private index: RegistryIndex | undefined;

  /**
   * A later file's element takes the place of an earlier one's with the same number, and its names come first. A function is
   * called on the first look-up: many captures need none, and reading the built-in files takes as long as a small capture.
   */
  constructor(files: readonly DefinitionFile[] | (() => readonly DefinitionFile[])) {
    this.load = typeof files === 'function' ? files : () => files;
  }

  find(enterpriseNumber: number, id: number): InformationElement | undefined {
    return this.indexed().find(enterpriseNumber, id);
  }

  /** First the field types of version 9 alone, then enterprises at their offset (ntop 57472, Cisco 32768), then IANA. */
  findNetflow9(fieldType: number): InformationElement | undefined {
    return this.indexed().findNetflow9(fieldType);
  }

  findNetflow9Scope(scopeType: number): InformationElement | undefined {
    return this.indexed().findNetflow9Scope(scopeType);
  }

  /** Where several have the name: a user's definition, then IANA's, ntop's, version 9's, another enterprise's. */
  findByName(name: string): InformationElement | undefined {
    return this.indexed().findByName(name);
  }

  /** A new registry with `files` on top; their elements add to or wholly replace those here. */
  withDefinitions(files: readonly DefinitionFile[]): Registry {
    return new Registry(() => [...this.load(), ...files]);
  }

  /** A registry for one exporter, which adds what it describes itself to what is here, `limit` elements at most. */
  overlay(limit = DEFAULT_OVERLAY_LIMIT): RegistryOverlay {
    return new RegistryOverlay(this, limit);
  }

  private indexed(): RegistryIndex {
    this.index ??= new RegistryIndex(this.load());
    return this.index;
  }
}

/** The elements of definition files by number and by name, each made on first need: most captures name few enterprises. */
class RegistryIndex implements ElementLookup {
  private readonly files: readonly DefinitionFile[];
  private readonly byEnterprise = new Map<number, ElementsById>();
  private readonly byScopeType: ElementsById = new Map();
  private readonly ownFieldTypes: ElementsById = new Map();
  private byFieldType: ElementsById | undefined;
  private byName: Map<string, InformationElement> | undefined;

  constructor(files: readonly DefinitionFile[]) {
    this.files = files;
    for (const file of files) {
      for (const scope of file.scopes ?? []) {
        this.byScopeType.set(scope.id, elementOf(scope, NETFLOW9_SCOPE_ENTERPRISE_NUMBER));
      }
      if (file.netflow9Only !== true) continue;
      for (const definition of file.elements) {
        this.ownFieldTypes.set(definition.id, elementOf(definition, file.enterpriseNumber));
      }
    }
  }

  find(enterpriseNumber: number, id: number): InformationElement | undefined {
    return this.elementsOf(enterpriseNumber)?.get(id);
  }

  findNetflow9(fieldType: number): InformationElement | undefined {
    this.byFieldType ??= this.fieldTypes();
    return this.byFieldType.get(fieldType) ?? this.find(0, fieldType);
  }

  findNetflow9Scope(scopeType: number): InformationElement | undefined {
    return this.byScopeType.get(scopeType);
  }

  findByName(name: string): InformationElement | undefined {
    this.byName ??= this.names();
    return this.byName.get(name);
  }

  /** Undefined for an enterprise that no file names, of which nothing is kept: Exporters may name any. */
  private elementsOf(enterpriseNumber: number): ElementsById | undefined {
    const known = this.byEnterprise.get(enterpriseNumber);
    if (known !== undefined) return known;
    const elements: ElementsById = new Map();
    let reverseOffset: number | undefined;
    let isNamed = enterpriseNumber === REVERSE_ENTERPRISE_NUMBER;
    for (const file of this.files) {
      if (file.netflow9Only === true || file.enterpriseNumber !== enterpriseNumber) continue;
      isNamed = true;
      for (const definition of file.elements) elements.set(definition.id, elementOf(definition, enterpriseNumber));
      reverseOffset = file.reverseOffset ?? reverseOffset;
    }
    if (!isNamed) return undefined;
    this.byEnterprise.set(enterpriseNumber, elements);
    // IANA's elements count the other way under a number of their own, others' at an offset in their own.
    if (enterpriseNumber === REVERSE_ENTERPRISE_NUMBER) addReverse(elements, this.elementsOf(0), enterpriseNumber, 0);
    else if (reverseOffset !== undefined) addReverse(elements, elements, enterpriseNumber, reverseOffset);
    return elements;
  }

  private fieldTypes(): ElementsById {
    const offsets = new Map<number, number>();
    for (const { enterpriseNumber, netflow9Only, netflow9Offset } of this.files) {
      if (netflow9Only !== true && netflow9Offset !== undefined) offsets.set(enterpriseNumber, netflow9Offset);
    }
    const byFieldType: ElementsById = new Map();
    for (const [enterpriseNumber, offset] of offsets) {
      for (const element of this.elementsOf(enterpriseNumber)?.values() ?? []) {
        if (!element.isReverse) byFieldType.set(offset + element.id, element);
      }
    }
    for (const [fieldType, element] of this.ownFieldTypes) byFieldType.set(fieldType, element);
    return byFieldType;
  }

  /** Weakest names first, since the last one set stays: aliases, derived reverse names, then what the files say. */
  private names(): Map<string, InformationElement> {
    const names = new Map<string, InformationElement>();
    const elementAt = (file: DefinitionFile, id: number): InformationElement =>
      (file.netflow9Only === true ? this.ownFieldTypes : this.elementsOf(file.enterpriseNumber))!.get(id)!;
    for (const file of this.files) {
      for (const { id, aliases } of file.elements) {
        for (const alias of aliases ?? []) names.set(alias, elementAt(file, id));
      }
    }
    const files = this.files.filter(({ netflow9Only }) => netflow9Only !== true);
    for (const number of new Set([...files.map((file) => file.enterpriseNumber), REVERSE_ENTERPRISE_NUMBER])) {
      for (const element of this.elementsOf(number)!.values()) if (element.isReverse) names.set(element.name, element);
    }
    for (const file of this.files) {
      for (const definition of file.elements) {
        const element = elementAt(file, definition.id);
        // A replaced element keeps the names it had as further ways to find what took its place.
        names.set(definition.name, element);
        if (definition.ntopName !== undefined) names.set(definition.ntopName, element);
      }
    }
    return names;
  }
}

/** Adds to `target` the reverse of every element of `elements`, `offset` further. */
function addReverse(
  target: ElementsById,
  elements: ElementsById | undefined,
  enterpriseNumber: number,
  offset: number,
): void {
  for (const element of [...(elements?.values() ?? [])]) {
    const id = element.id + offset;
    if (id > 0x7fff || target.has(id) || (offset > 0 && element.id >= offset)) continue;
    target.set(id, {
      ...element,
      enterpriseNumber,
      id,
      name: `reverse${element.name.charAt(0).toUpperCase()}${element.name.slice(1)}`,
      ntopName: undefined,
      isReverse: true,
    });
  }
}

/** What became of an element that an exporter described. */
export const OVERLAY_OUTCOMES = ['added', 'changed', 'unchanged', 'standard', 'name_taken', 'full'] as const;

/**
 * `added` or `changed`: Templates that use the element now read differently. `unchanged`: a refresh. Refused:
 * `standard`, definition files have it; `name_taken`, the name is another element's; `full`, the limit is reached.
 */
export type OverlayOutcome = (typeof OVERLAY_OUTCOMES)[number];

/** The elements one exporter described by Information Element Type records, over the shared registry (RFC 5610). */
export class RegistryOverlay implements ElementLookup {
  /** Elements added so far. */
  size = 0;
  private readonly base: Registry;
  private readonly limit: number;
  private readonly byEnterprise = new Map<number, ElementsById>();
  private readonly byName = new Map<string, InformationElement>();

  /** Use {@link Registry.overlay}. */
  constructor(base: Registry, limit: number) {
    this.base = base;
    this.limit = limit;
  }

  find(enterpriseNumber: number, id: number): InformationElement | undefined {
    return this.base.find(enterpriseNumber, id) ?? this.byEnterprise.get(enterpriseNumber)?.get(id);
  }

  findNetflow9(fieldType: number): InformationElement | undefined {
    return this.base.findNetflow9(fieldType);
  }

  findNetflow9Scope(scopeType: number): InformationElement | undefined {
    return this.base.findNetflow9Scope(scopeType);
  }

  findByName(name: string): InformationElement | undefined {
    return this.base.findByName(name) ?? this.byName.get(name);
  }

  /**
   * Takes an element the exporter described. What definition files say is never replaced, neither by number nor by
   * name: an exporter that calls an element of its own `sourceIPv4Address` would forge the flows' addresses.
   */
  add(element: InformationElement): OverlayOutcome {
    const { enterpriseNumber, id, name } = element;
    if (this.base.find(enterpriseNumber, id) !== undefined) return 'standard';
    const earlier = this.byEnterprise.get(enterpriseNumber)?.get(id);
    if (earlier !== undefined && isSame(earlier, element)) return 'unchanged';
    const holder = this.findByName(name);
    if (holder !== undefined && holder !== earlier) return 'name_taken';
    if (earlier === undefined) {
      if (this.size >= this.limit) return 'full';
      this.size++;
    } else {
      this.byName.delete(earlier.name);
    }
    let elements = this.byEnterprise.get(enterpriseNumber);
    if (elements === undefined) {
      elements = new Map();
      this.byEnterprise.set(enterpriseNumber, elements);
    }
    elements.set(id, element);
    this.byName.set(name, element);
    return earlier === undefined ? 'added' : 'changed';
  }
}

// One level above the folder of sources, whether that is src/ or, built, dist/.
const BUILT_IN_DIRECTORY = new URL('../../ie-definitions/', import.meta.url);

/** Files whose names come before the other enterprises', the strongest last. */
const NAME_ORDER = ['netflow9.json', 'ntop.json', 'iana.json'];

/**
 * The registry of the definition files that come with flowrelay, read on the first look-up: about 5 ms, so once per process.
 * That look-up throws what `node:fs` or `JSON.parse` throws where the installation is broken.
 */
export function loadBuiltInRegistry(): Registry {
  return new Registry(readBuiltInFiles);
}

function readBuiltInFiles(): DefinitionFile[] {
  const names = readdirSync(BUILT_IN_DIRECTORY).filter((name) => name.endsWith('.json'));
  names.sort((a, b) => NAME_ORDER.indexOf(a) - NAME_ORDER.indexOf(b) || (a < b ? -1 : 1));
  return names.map((name) => JSON.parse(readFileSync(new URL(name, BUILT_IN_DIRECTORY), 'utf8')) as DefinitionFile);
}

function elementOf(definition: ElementDefinition, enterpriseNumber: number): InformationElement {
  return {
    enterpriseNumber,
    id: definition.id,
    name: definition.name,
    ntopName: definition.ntopName,
    type: definition.type,
    semantics: definition.semantics ?? 'default',
    units: definition.units ?? 'none',
    isReverse: false,
  };
}

function isSame(a: InformationElement, b: InformationElement): boolean {
  return a.name === b.name && a.type === b.type && a.semantics === b.semantics && a.units === b.units;
}
