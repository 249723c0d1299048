import { isAnnouncedBy, type Template } from './template.ts';

/** A Template and how many have it. */
interface SharedTemplate {
  readonly template: Template;
  readonly hash: number;
  references: number;
}

/**
 * Templates by what they say. A thousand Exporters of one make announce the same Templates: one object stands for all
 * that are equal, id included, and is kept as long as anyone has it.
 */
export class SharedTemplates {
  private readonly seed = Math.floor(Math.random() * 2 ** 32);
  private readonly byTemplate = new Map<Template, SharedTemplate>();
  private readonly byHash = new Map<number, SharedTemplate[]>();

  /** The Template of this id that octets `[start, end)` announce: scope or field count to the last specifier. */
  find(
    id: number,
    version: number,
    scopeFieldCount: number,
    view: DataView,
    start: number,
    end: number,
  ): Template | undefined {
    let hash = this.seed ^ id;
    for (let at = start; at < end; at++) hash = hashOctet(hash, view.getUint8(at));
    const alike = this.byHash.get(hash);
    if (alike === undefined) return undefined;
    for (let i = 0; i < alike.length; i++) {
      const { template } = alike[i]!;
      const isSame = template.id === id && template.version === version && template.scopeFieldCount === scopeFieldCount;
      if (isSame && template.signature.length === end - start && isAnnouncedBy(template, view, start, end)) {
        return template;
      }
    }
    return undefined;
  }

  /** Takes a reference and returns the one Template that stands for all equal ones: the given one where it is the first. */
  take(template: Template): Template {
    const shared = this.byTemplate.get(template) ?? this.equalTo(template);
    if (shared !== undefined) {
      shared.references++;
      return shared.template;
    }
    const hash = this.hashOf(template);
    const first = { template, hash, references: 1 };
    this.byTemplate.set(template, first);
    const alike = this.byHash.get(hash);
    if (alike === undefined) this.byHash.set(hash, [first]);
    else alike.push(first);
    return template;
  }

  /** Gives a reference back. */
  give(template: Template): void {
    const shared = this.byTemplate.get(template);
    if (shared === undefined || --shared.references > 0) return;
    this.byTemplate.delete(template);
    const alike = this.byHash.get(shared.hash)!;
    if (alike.length === 1) this.byHash.delete(shared.hash);
    else alike.splice(alike.indexOf(shared), 1);
  }

  /** Those that have this very object. */
  references(template: Template): number {
    return this.byTemplate.get(template)?.references ?? 0;
  }

  private equalTo(template: Template): SharedTemplate | undefined {
    return this.byHash
      .get(this.hashOf(template))
      ?.find((shared) => shared.template.id === template.id && isSameLayout(shared.template, template));
  }

  private hashOf({ id, signature }: Template): number {
    let hash = this.seed ^ id;
    for (let i = 0; i < signature.length; i++) hash = hashOctet(hash, signature.charCodeAt(i));
    return hash;
  }
}

/** Whether records of both look alike. */
export function isSameLayout(a: Template, b: Template): boolean {
  if (a === b) return true;
  return a.signature === b.signature && a.scopeFieldCount === b.scopeFieldCount && a.version === b.version;
}

function hashOctet(hash: number, octet: number): number {
  const mixed = Math.imul(hash ^ octet, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}
