/** What goes out under an element comes in as the same field. */

import { expect, it } from 'vitest';
import { APPLICATION_FIELDS } from '../../src/flow/application-fields.ts';
import { FIELDS, type FieldName } from '../../src/flow/fields.ts';
import { mappingOf } from '../../src/normalize/mapping.ts';
import { elementOfField } from '../../src/sink/formats/export-element.ts';
import { REGISTRY } from '../support/export-harness.ts';

/** Fields that an element of their own name does not fill, and why. */
const NOT_FILLED: Readonly<Partial<Record<FieldName, string>>> = {
  startMs: 'chosen among all the times of a Template',
  endMs: 'the same',
  clientNetworkLatency: 'the milliseconds stay as they came',
  serverNetworkLatency: 'the same',
  applicationLatency: 'the same',
  applicationName: 'the name in the record stands beside the one of options data',
  mplsLabel1: 'an entry of the stack has more than its label',
  mplsLabel2: 'the same',
  mplsLabel3: 'the same',
};

it('every field with an Information Element is filled by it', () => {
  const notFilled = FIELDS.filter(({ field }) => {
    const element = elementOfField(field, 10, REGISTRY);
    return element !== undefined && mappingOf(10, element.enterpriseNumber, element.id)?.field !== field;
  }).map(({ field }) => field);
  expect(notFilled.filter((field) => !APPLICATION_FIELDS.has(field)).sort()).toEqual(Object.keys(NOT_FILLED).sort());
});
