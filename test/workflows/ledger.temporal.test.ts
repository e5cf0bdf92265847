// What a run asks of Postgres: every statement of a standard run on the real path, by the name of its transaction. The
// fixture is compared whole, so that none is added unseen.
import path from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { workflowId } from '../../workflows/contracts/messages.ts';
import { ensureFirstToken } from '../../activities/store/access/data-folder-token.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { withKernel } from '../support/kernel.ts';
import { createTestApp } from '../support/test-app.ts';

// What a run may ask at most. Begin and commit are not counted: the first travels with a statement, and so does the
// second behind an append.
const mostStatements = 42;
const longestLine = 150;

/** What goes over the wire of every connection of this process, in the order in which it was sent. */
function recordStatements(): { lines(): string[]; count(): number } {
  const groups: { name: string; statements: string[] }[] = [];
  const open = new Map<unknown, (typeof groups)[number]>();
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function (this: pg.Client, ...given: unknown[]) {
    const [first] = given;
    const text = typeof first === 'string' ? first : (first as { text: string }).text;
    record(this, text.replaceAll(/\s+/g, ' ').trim());
    return (query as (...all: unknown[]) => unknown).apply(this, given);
  } as typeof query;
  onTestFinished(() => {
    pg.Client.prototype.query = query;
  });

  function record(client: pg.Client, text: string): void {
    const begun = /^begin(?:; set local application_name to '\S+ (.+)')?$/.exec(text);
    if (begun) {
      open.set(client, { name: begun[1] ?? 'no name', statements: [] });
      groups.push(open.get(client) as (typeof groups)[number]);
    } else if (text === 'commit' || text === 'rollback') {
      open.delete(client);
    } else if (!isBackground(text)) {
      const group = open.get(client);
      if (group) group.statements.push(text);
      else groups.push({ name: 'alone', statements: [text] });
    }
  }

  return {
    lines: () =>
      groups.flatMap(({ name, statements }) => [name, ...statements.map((text) => `  ${short(text)}`)]),
    count: () => groups.reduce((sum, { statements }) => sum + statements.length, 0),
  };
}

/** What comes by the clock and not by the run: notices, looks for stops, tokens and when they were used, models. */
function isBackground(text: string): boolean {
  const beginnings = [
    // What models are configured to, every few seconds.
    'select * from "model_configs"',
    'select pg_notify(',
    // A connection that said nothing for too long, as where the machine stood still, is made anew.
    'listen ',
    'select distinct "run_id" from "inputs"',
    'update tokens set last_used_at',
    // A machine that is slow enough looks a token up once more, and asks whether its connection is alive.
    'select * from "tokens" where "hash"',
  ];
  return text === 'select 1' || beginnings.some((beginning) => text.startsWith(beginning));
}

function short(text: string): string {
  return text.length <= longestLine ? text : `${text.slice(0, longestLine)}…`;
}

withKernel(
  (kernel) => {
    test('a run of a model call, two tools and a model call asks no more than the ledger says', async () => {
      await kernel.startWorkers({ toolSlots: 1 });
      const { database, log } = kernel.store;
      let token = '';
      await ensureFirstToken(database.db, defaultTenant, async (made) => {
        token = made;
      });
      const api = await createTestApp({ log, runs: kernel.runs, hasModel: () => true });
      const todo = { tool: 'todo', input: { items: [{ text: 'Look around', status: 'pending' }] } };
      const list = { tool: 'list', input: { path: '.' } };
      const model = await kernel.script({ text: 'Looking.', calls: [todo, list] }, { text: 'Done.' });
      const run = async (): Promise<void> => {
        const answer = await api.ask(
          'POST',
          '/runs',
          { prompt: 'Do the work.', model, policy: 'trusted-mount-autonomous' },
          { authorization: `Bearer ${token}`, 'idempotency-key': crypto.randomUUID() },
        );
        expect(answer.statusCode).toBe(202);
        await kernel.runs.settled();
        await kernel.client.workflow.getHandle(workflowId('run', answer.json<{ id: string }>().id)).result();
      };
      // The first fills caches of what does not change.
      await run();
      const recorded = recordStatements();
      await run();
      const count = recorded.count();
      await expect([...recorded.lines(), `${count} statements`, ''].join('\n')).toMatchFileSnapshot(
        path.join(import.meta.dirname, 'ledger.txt'),
      );
      expect(count).toBeLessThanOrEqual(mostStatements);
    });
  },
  { idle: true, replay: 'never' },
);
