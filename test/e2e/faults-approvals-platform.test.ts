// I11 over the whole product: every process is killed while runs stand at each stage between a question and the
// result of its call, and a hundred people answer one question at once.
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Client, createClient, ProblemError } from '../../api/client/client.ts';
import type { ApprovalView } from '../../workflows/contracts/approval.ts';
import type { Program } from '../chaos/program.ts';
import {
  answered,
  aProgramThatAsks,
  awaitedApproval,
  becameOf,
  callPerdure,
  openApproval,
} from '../support/approvals.ts';
import { farMs, onlyRun, openTheatre } from '../support/faults.ts';
import { type Platform, type ProcessName, startPlatform, until } from '../support/platform.ts';
import { startGate } from '../support/starting-gate.ts';

// Past it a wait says what it waited for.
const longestMs = 90_000;

const theatre = await openTheatre();
let platform: Platform;

beforeAll(async () => {
  const environment = { PERDURE_COMPATIBLE_BASE_URL: theatre.model.url };
  platform = await startPlatform({ cache: inject('bundles'), environment });
});

afterAll(async () => {
  await platform?.remove();
});

/** What the program's run waits for, once it does. */
function awaited(program: Program): Promise<ApprovalView> {
  return awaitedApproval(platform, program, { address: platform.temporalAddress, namespace: 'perdure' });
}

interface Death {
  what: string;
  strike(): Promise<void>;
  /** Whether what a worker had begun dies with it. */
  endsCommands: boolean;
}

/** Resolves when its successor runs: for a moment after its death the API may still call itself ready. */
async function killOne(name: ProcessName): Promise<void> {
  const before = platform.pid(name);
  platform.kill(name);
  await until(
    () => ![undefined, before].includes(platform.pid(name)),
    longestMs,
    () => `No other ${name} runs:\n${platform.log('supervisor')}`,
  );
}

const deaths: Death[] = [
  { what: 'the API', strike: () => killOne('api'), endsCommands: false },
  { what: 'Postgres', strike: () => killOne('postgres'), endsCommands: false },
  { what: 'Temporal', strike: () => killOne('temporal'), endsCommands: false },
  { what: 'the worker', strike: () => killOne('worker'), endsCommands: true },
];
const allAtOnce: Death = {
  what: 'everything at once',
  endsCommands: true,
  async strike() {
    platform.killEverything();
    await platform.serve();
  },
};

/** One that asks again with its key for longer than any restart takes. */
function patientClient(url = platform.url, surface?: 'cli' | 'page'): Client {
  return createClient({ url, token: platform.token, retryForMs: 120_000, ...(surface && { surface }) });
}

async function expectNothingLost({ what, strike, endsCommands }: Death): Promise<void> {
  // Of a command that is to die the effect is far away; the others outlive their server's restart.
  const times = { says: 'begun', beforeMs: endsCommands ? farMs : 3_000 };
  const stages = {
    asked: aProgramThatAsks(`${what} asked`, {}, { firstTokenMs: 2_500 }),
    thinking: aProgramThatAsks(`${what} thinking`),
    answering: aProgramThatAsks(`${what} answering`),
    answered: aProgramThatAsks(`${what} answered`),
    running: aProgramThatAsks(`${what} running`, times),
  };
  const { asked, ...earlier } = stages;
  const client = patientClient();
  const playing = theatre.play(platform, Object.values(earlier));
  const waiting = await Promise.all(Object.values(earlier).map((program) => awaited(program)));
  const [thinking, answering, done, running] = waiting.map(({ id }) => id) as [
    string,
    string,
    string,
    string,
  ];
  await client.approve(running);
  await theatre.callRuns(platform, earlier.running);
  const playingToo = theatre.play(platform, [asked]);
  await theatre.allBegun([asked]);

  await client.approve(done);
  const underWay = client.approve(answering);
  await strike();
  await platform.ready();
  const byCli = callPerdure(platform, 'approve', thinking);
  await client.approve((await openApproval(platform, asked)).id);
  expect(await underWay).toMatchObject({ id: answering, status: 'approved', decidedBy: 'first (api)' });
  expect(await byCli).toMatchObject({ code: 0, out: expect.stringMatching(/^approved: /), err: '' });

  const played = [...(await playing), ...(await playingToo)];
  const runs = await theatre.expectRight(platform, played);
  const became = (program: Program, name: string) => {
    const one = played.find((candidate) => candidate.program === program);
    if (!one) throw new Error(`Program ${program.id} was not played.`);
    return { ...becameOf(onlyRun(runs, one)), effects: theatre.effectsOf(`${what} ${name}`) };
  };
  const whole = (by: string) => ({ ...answered('approved', by, 'succeeded'), effects: 1 });
  // Cut down at a moment nobody chose: a command that was running then may have acted or not.
  const unknown = (effects: number) => ({ ...answered('approved', 'first (api)', 'unknown'), effects });
  const possible = [whole('first (api)'), ...(endsCommands ? [unknown(0), unknown(1)] : [])];
  expect(became(asked, 'asked')).toEqual(whole('first (api)'));
  expect(became(earlier.thinking, 'thinking')).toEqual(whole('first (cli)'));
  expect(possible).toContainEqual(became(earlier.answering, 'answering'));
  expect(possible).toContainEqual(became(earlier.answered, 'answered'));
  expect(became(earlier.running, 'running')).toEqual(endsCommands ? unknown(0) : whole('first (api)'));
  expect((await platform.client.approvals({ status: 'open' })).items).toEqual([]);
  expect((await platform.client.runs({ active: true })).items).toEqual([]);
}

const title =
  'kill -9 of $what before the question, while people think, as they answer, after they have, and while the call runs: every call is made at most once, and no answer is lost';
test.each(deaths)(title, { tags: ['faults'] }, expectNothingLost);
test.each([allAtOnce])(title, expectNothingLost);

/** What one of many was told: that it decided, or who did. */
type Told = { decided: ApprovalView } | { refused: string };

const alreadyDecided = /Approval \S+ was (approved|denied) by first \((api|cli|page)\) at \S+Z\./;

test('a hundred answers at once from API, page and command line, yes and no: one decides, 99 are told who did, and the call is made once or not at all', {
  tags: ['faults'],
}, async () => {
  const [contenders, processes] = [100, 8];
  const program = aProgramThatAsks('raced for');
  const ending = theatre.expectOneRight(platform, theatre.play(platform, [program]));
  const { id } = await awaited(program);
  const gate = await startGate(platform.url, contenders);

  async function asProcess(verdict: 'approve' | 'deny', note: string): Promise<Told> {
    const { code, out, err } = await callPerdure(
      { ...platform, url: gate.url },
      verdict,
      id,
      '--note',
      note,
      '--json',
    );
    if (code === 0) return { decided: JSON.parse(out) as ApprovalView };
    return { refused: alreadyDecided.exec(err)?.[0] ?? `${code} ${err}` };
  }

  async function asClient(verdict: 'approve' | 'deny', note: string, surface?: 'page'): Promise<Told> {
    try {
      return { decided: await patientClient(gate.url, surface)[verdict](id, { note }) };
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      const { status, problem } = error;
      return {
        refused:
          status === 409 && problem.code === 'ApprovalDecided'
            ? problem.detail
            : `${status} ${problem.detail}`,
      };
    }
  }

  const told = await Promise.all(
    Array.from({ length: contenders }, (_, index) => {
      const verdict = index % 2 === 0 ? 'approve' : 'deny';
      const note = `answer ${index}`;
      if (index < processes) return asProcess(verdict, note);
      return asClient(verdict, note, index % 3 === 0 ? 'page' : undefined);
    }),
  );
  const became = becameOf(await ending);
  const approval = await platform.client.approval(id);
  const { status, decidedBy, decidedAt } = approval;
  const wins = told.flatMap((one) => ('decided' in one ? [one.decided] : []));
  const refusals = told.flatMap((one) => ('refused' in one ? [one.refused] : []));
  expect(wins.map(({ id: won, note, status: verdict }) => ({ won, note, verdict }))).toEqual([
    { won: id, note: approval.note, verdict: status },
  ]);
  expect(refusals).toEqual(
    Array.from(
      { length: contenders - 1 },
      () => `Approval ${id} was ${status} by ${decidedBy} at ${decidedAt}.`,
    ),
  );
  const allowed = status === 'approved';
  expect({ ...became, effects: theatre.effectsOf('raced for') }).toEqual({
    ...answered(allowed ? 'approved' : 'denied', decidedBy ?? '', allowed ? 'succeeded' : 'denied'),
    effects: allowed ? 1 : 0,
  });
  console.log(`of ${contenders} answers ${refusals.length} were told: ${refusals[0]}`);
});
