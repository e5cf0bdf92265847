// What every sandbox must do, whichever way it does it.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe } from 'vitest';
import { besideRules } from './beside-rules.ts';
import { commandRules, endingRules } from './command-rules.ts';
import { fileRules, searchRules } from './file-rules.ts';
import { handleRules, openingRules } from './handle-rules.ts';
import type { Opened } from './opened.ts';
import { nameRules, pathRules } from './path-rules.ts';

export function sandboxConformance(name: string, openSandbox: () => Promise<Opened>): void {
  describe(`${name} as a sandbox`, () => {
    let opened: Opened;
    beforeEach(async () => {
      opened = await openSandbox();
      mkdirSync(path.join(opened.outside, 'folder'));
      writeFileSync(path.join(opened.outside, 'secret'), 'secret');
    });
    afterEach(() => opened.dispose());

    describe('files', () => fileRules(() => opened));
    describe('searches', () => searchRules(() => opened));
    describe('paths', () => pathRules(() => opened));
    describe('names', () => nameRules(() => opened));
    describe('commands', () => commandRules(() => opened));
    describe('ends', () => endingRules(() => opened));
    describe('handles', () => handleRules(() => opened));
    describe('projects beside', () => besideRules(() => opened));
    describe('openings', () => openingRules(() => opened));
  });
}
