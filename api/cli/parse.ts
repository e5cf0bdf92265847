// Turns option values into what the API takes, or says in one sentence what is wrong with them.
import { InvalidArgumentError } from 'commander';
import type { ApproveBody } from '../../workflows/contracts/approval.ts';
import type { ContainerRef } from '../../workflows/contracts/container.ts';
import type { AskedMode } from '../../workflows/contracts/run.ts';
import type { ToldType } from '../../workflows/contracts/tenant-events.ts';
import { fromDollars } from './terminal/figures.ts';
import { isTold } from './terminal/told-words.ts';

export type ApproveInput = NonNullable<NonNullable<ApproveBody>['input']>;

export function positiveInteger(value: string): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number) || number < 1) {
    throw new InvalidArgumentError('It must be a whole number of at least 1.');
  }
  return number;
}

export function eventNumber(value: string): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number)) {
    throw new InvalidArgumentError('It must be the number of an event, 0 for the start.');
  }
  return number;
}

export function eventTypes(value: string): ToldType[] {
  const given = names(value);
  const types = given.filter(isTold);
  if (types.length < given.length)
    throw new InvalidArgumentError('Each must be a type that `perdure help events` lists.');
  return types;
}

const unitSeconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Seconds of an age such as 30d. */
export function age(value: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhdw])$/.exec(value) ?? [];
  const seconds = Number(count) * (unitSeconds[unit] ?? Number.NaN);
  if (!Number.isSafeInteger(seconds) || seconds < 60) {
    throw new InvalidArgumentError('It must be an age of at least a minute, such as 30d, 12h or 8w.');
  }
  return seconds;
}

export function dollars(value: string): number {
  const micros = fromDollars(value);
  if (micros === undefined || micros < 1) {
    throw new InvalidArgumentError('It must be an amount in dollars, such as 0.50.');
  }
  return micros;
}

/** For limits: 0 is unlimited. */
export function dollarsFromZero(value: string): number {
  const micros = fromDollars(value);
  if (micros === undefined)
    throw new InvalidArgumentError('It must be an amount in dollars, such as 50 or 0.50.');
  return micros;
}

/** Undefined when the text is not JSON. */
export function fromJson(text: string): ApproveInput | undefined {
  try {
    return JSON.parse(text) as ApproveInput;
  } catch {
    return undefined;
  }
}

export function jsonValue(value: string): ApproveInput {
  const parsed = fromJson(value);
  if (parsed === undefined) throw new InvalidArgumentError('It must be JSON, such as {"path":"a.txt"}.');
  return parsed;
}

/** Collects `--metadata key=value`, given any number of times. */
export function keyValue(value: string, before: Record<string, string> = {}): Record<string, string> {
  const at = value.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be key=value.');
  const key = value.slice(0, at);
  if (Object.hasOwn(before, key)) throw new InvalidArgumentError(`The key ${key} is given twice.`);
  // Built from entries: a key such as __proto__ stays a key.
  return Object.fromEntries([...Object.entries(before), [key, value.slice(at + 1)]]);
}

export const sandboxes: readonly AskedMode[] = ['mount', 'bubblewrap', 'sandbox', 'hybrid'];

/** A container that a person runs, and where commands start in it. */
export function containerRef(value: string): ContainerRef {
  const [, id = '', workdir] = /^([a-zA-Z0-9][\w.-]*)(?::(\/.*))?$/.exec(value) ?? [];
  if (id === '') throw new InvalidArgumentError('It must be ID or ID:DIR, such as web or web:/workspace.');
  return { id, ...(workdir !== undefined && { workdir }) };
}

/** Names with commas between them. */
export function names(value: string): string[] {
  const given = value.split(',').map((name) => name.trim());
  if (given.includes('')) throw new InvalidArgumentError('It must be names with commas between them.');
  return given;
}

/** Collects `--variable name=default`, given any number of times. */
export function nameWithDefault(
  value: string,
  before: Record<string, { default?: string }> = {},
): Record<string, { default?: string }> {
  const at = value.indexOf('=');
  const name = at < 0 ? value : value.slice(0, at);
  const usual = at < 0 ? {} : { default: value.slice(at + 1) };
  return Object.fromEntries([...Object.entries(before), [name, usual]]);
}
