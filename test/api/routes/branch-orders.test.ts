// Messages, answers made anew, forks, stops and ends in any order, against a model of which run goes on from which.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RunRow } from '../../../activities/store/runs/runs.ts';
import { hasNoPlace } from '../../../activities/store/runs/turns.ts';
import { snapshotStatuses } from '../../../workflows/run/transitions.ts';
import { besideRun, storeOver, type TestStore } from '../../support/store.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { startRun } from '../stream/streams.ts';

const whenBusy = fc.constantFrom(undefined, 'reject', 'queue', 'steer', 'interrupt');
const which = fc.option(fc.nat(11), { nil: undefined });
const ends = fc.constantFrom('succeeded', 'interrupted', 'timed_out', 'failed', 'cancelled');
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: fc.constant('send'), whenBusy, from: which, by: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('regenerate'), whenBusy, from: which }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('fork'), from: which }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('delegate'), status: ends }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('cancel'), from: fc.nat(11) }) },
  { weight: 5, arbitrary: fc.record({ does: fc.constant('end'), status: ends }) },
);
type Step = {
  does: string;
  whenBusy?: 'reject' | 'queue' | 'steer' | 'interrupt' | undefined;
  from?: number | undefined;
  by?: boolean;
  status?: RunRow['status'];
};

interface Known {
  /** What its message said. */
  from?: string;
  beside?: string;
  parked: boolean;
  /** Undefined: to be settled when its turn comes. */
  parent: string | null | undefined;
}

/** One conversation and what should be so in it. */
class Played {
  readonly known = new Map<string, Known>();
  readonly sent: string[] = [];
  head: string | null = null;
  conversationId = '';

  readonly api: TestApp;
  readonly store: TestStore;

  constructor(api: TestApp) {
    this.api = api;
    this.store = storeOver('', api.database, api.log);
  }

  async rows(): Promise<RunRow[]> {
    const query = this.api.database.db.selectFrom('runs').selectAll();
    return query.where('conversation_id', '=', this.conversationId).orderBy('id').execute();
  }

  async begin(): Promise<void> {
    const { id, conversationId } = await startRun(this.api);
    this.conversationId = conversationId;
    this.known.set(id, { parked: false, parent: null });
  }

  /** Before a step: the active main run, and all. */
  async look(): Promise<{ rows: RunRow[]; active: RunRow | undefined }> {
    const rows = await this.rows();
    return { rows, active: rows.find((row) => row.kind === 'main' && !row.parked && row.ended_at === null) };
  }

  async take({ does, ...how }: Step): Promise<void> {
    const { rows, active } = await this.look();
    const from = how.from === undefined ? undefined : rows[how.from % rows.length];
    if (does === 'end') return active && this.end(active, how.status ?? 'failed');
    if (does === 'delegate' && active) {
      const [child] = await besideRun(this.store, active, 1);
      if (child) await this.store.end(child, { status: how.status as 'failed' });
    }
    if (does === 'cancel' && from?.kind === 'main') await this.cancel(from);
    if (does === 'fork') await this.fork(from);
    if (does === 'send' || does === 'regenerate') await this.send(does, active, from, how);
  }

  async end(active: RunRow, status: string): Promise<void> {
    if (active.execution_id === null) await this.store.begin(active);
    await this.store.end(active, { status: status as 'failed' });
    this.left(await this.store.run(active.id), status);
  }

  async cancel(run: RunRow): Promise<void> {
    const answer = await this.api.ask('POST', `/runs/${run.id}/cancel`, {});
    expect(answer.statusCode).toBe(run.ended_at === null ? 202 : 409);
    if (run.ended_at !== null || run.execution_id !== null) return;
    if (run.parked) this.known.set(run.id, { parked: false, parent: run.parent_id });
    else this.left(run, 'cancelled');
  }

  async fork(from: RunRow | undefined): Promise<void> {
    const body = { prompt: 'elsewhere', ...(from && { fromRunId: from.id }) };
    const answer = await this.api.ask('POST', `/conversations/${this.conversationId}/fork`, body);
    const parent = from?.id ?? this.head;
    const usable = from
      ? from.kind === 'main' && snapshotStatuses.includes(from.status as 'failed') && !hasNoPlace(from)
      : parent !== null;
    expect(answer.statusCode).toBe(
      usable ? 202 : from?.kind === 'main' && from.ended_at === null ? 409 : 422,
    );
    if (!usable) return;
    const run = await this.store.run(answer.json().id);
    expect([run.parent_id, run.conversation_id === this.conversationId]).toEqual([parent, false]);
  }

  async send(
    does: string,
    active: RunRow | undefined,
    from: RunRow | undefined,
    how: Step | Omit<Step, 'does'>,
  ) {
    const beside = does === 'regenerate';
    const messageId = `message-${this.sent.length}`;
    const busy = how.whenBusy === undefined ? {} : { whenBusy: how.whenBusy };
    const path = `/conversations/${this.conversationId}`;
    const named = from && (beside ? { runId: from.id } : { fromRunId: from.id });
    const body = { messageId, ...busy, ...named, ...(!beside && { prompt: messageId }) };
    const answer =
      !beside && how.by
        ? await this.api.ask('POST', '/runs', { ...body, conversationId: this.conversationId })
        : await this.api.ask('POST', `${path}/${beside ? 'regenerate' : 'messages'}`, body);
    const rows = await this.rows();
    if (answer.statusCode !== 202) {
      const { code, activeRunId } = answer.json();
      // Refused for what it names, else because another run is active.
      if (code === 'ConversationBusy') {
        expect([how.whenBusy ?? 'reject', activeRunId]).toEqual(['reject', active?.id]);
        return;
      }
      expect([400, 409, 422]).toContain(answer.statusCode);
      if (code === 'RunActive') expect(activeRunId).toBe(from?.id);
      expect(from !== undefined || code === 'InvalidInput', answer.body).toBe(true);
      return;
    }
    expect(active === undefined || (how.whenBusy ?? 'reject') !== 'reject', 'busy').toBe(true);
    this.sent.push(messageId);
    const { id } = answer.json();
    if (active && how.whenBusy === 'steer') return expect(id).toBe(active.id);
    const run = rows.find((row) => row.id === id);
    const again = rows.find((row) => row.id === (beside ? from?.id : undefined));
    const parked = active !== undefined;
    const one: Known = { parked, parent: undefined };
    if (beside) {
      const asked = again ?? rows.find((row) => row.id === run?.alternative_of) ?? run;
      one.beside = asked?.id ?? '';
      one.parent = run?.parent_id ?? null;
      // It stands where the run stood whose message it answers.
      const first = rows.find((row) => row.id === run?.alternative_of);
      expect(run?.parent_id).toBe(first?.parent_id);
      expect(run?.prompt).toBe(asked?.prompt);
    } else if (from) {
      one.from = one.parent = from.id;
      if (!parked) this.head = from.id;
    } else if (!parked) one.parent = this.head;
    this.known.set(id, one);
    // A run that no workflow had taken up ends at once when it is interrupted.
    if (active && how.whenBusy === 'interrupt' && active.execution_id === null)
      this.left(active, 'interrupted');
  }

  /** A main run has ended whose turn it was: the head, and whose turn it is next. */
  left(run: RunRow, status: string): void {
    if (snapshotStatuses.includes(status as 'failed') && !hasNoPlace(run)) this.head = run.id;
    const next = [...this.known.values()].find(({ parked }) => parked);
    if (!next) return;
    next.parked = false;
    if (next.from !== undefined) this.head = next.from;
    if (next.parent === undefined) next.parent = this.head;
  }

  async check(): Promise<void> {
    const rows = await this.rows();
    const { headRunId } = (await this.api.ask('GET', `/conversations/${this.conversationId}`)).json();
    expect(headRunId).toBe(this.head);
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const [id, { parked, parent }] of this.known) {
      const row = byId.get(id);
      expect([id, row?.parked, row?.parent_id]).toEqual([id, parked, parent ?? null]);
    }
    for (const { parent_id: parentId } of rows) {
      const parent = parentId === null ? undefined : byId.get(parentId);
      if (!parent) continue;
      expect([parent.kind, snapshotStatuses.includes(parent.status as 'failed')]).toEqual(['main', true]);
    }
    const inputs = this.api.database.db.selectFrom('inputs').innerJoin('runs', 'runs.id', 'run_id');
    const steers = await inputs
      .select('inputs.message_id')
      .where('conversation_id', '=', this.conversationId)
      .where('inputs.kind', '=', 'steer')
      .execute();
    const seen = [...rows, ...steers].map((row) => row.message_id).filter((id) => id.startsWith('message-'));
    expect(seen.toSorted()).toEqual(this.sent.toSorted());
  }
}

test('in any order, no run goes on from a subagent’s or a failed one, each message is one run or one steer, and a refusal names the active run', async () => {
  const api = await createTestApp();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
      const played = new Played(api);
      await played.begin();
      for (const each of steps) {
        await played.take(each as Step);
        await played.check();
      }
    }),
    { numRuns: 12 },
  );
});
