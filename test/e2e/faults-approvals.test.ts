// I11: workers and the API die between every two steps from a question to the result of its call. The answer counts
// once, the call is made at most once, and neither question nor answer is lost.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createClient, type ProblemError } from '../../api/client/client.ts';
import { readRuns } from '../chaos/evidence.ts';
import type { Program } from '../chaos/program.ts';
import { answered, aProgramThatAsks, awaitedApproval, becameOf, openApproval } from '../support/approvals.ts';
import { createCuttingProxy } from '../support/cutting-proxy.ts';
import { farMs, openTheatre } from '../support/faults.ts';
import type { Point } from '../support/mortal-worker.ts';
import { openRoles, type Role } from '../support/roles.ts';

const theatre = await openTheatre();
const roles = await openRoles({ PERDURE_COMPATIBLE_BASE_URL: theatre.model.url });
// The token every data folder begins with, as the API names whoever uses it.
const byApi = 'first (api)';

async function answer(program: Program, verdict: 'approve' | 'deny' = 'approve'): Promise<void> {
  const { id } = await openApproval(roles, program);
  await roles.client[verdict](id);
}

interface Death {
  point: Point;
  when: string;
  outcome: string;
  answered: 'before it dies' | 'while nobody works' | 'when its successor has asked';
  verdict?: 'deny';
  call: string;
  effects: number;
  /** How often the model was asked for the first step. */
  asked: number;
  /** In plain `npm test`; the others are behind `--faults`. */
  quick?: true;
}

const made = { call: 'succeeded', effects: 1, asked: 1 };
const deaths: Death[] = [
  {
    ...made,
    point: 'mid-stream',
    when: 'before it has asked',
    outcome: 'its successor asks',
    answered: 'when its successor has asked',
    asked: 2,
  },
  {
    ...made,
    point: 'answer-stored',
    when: 'after it has asked, before Temporal knows',
    outcome: 'nobody is asked twice',
    answered: 'while nobody works',
  },
  {
    ...made,
    point: 'before-look',
    when: 'as it was to look for an answer',
    outcome: 'its successor looks',
    answered: 'while nobody works',
  },
  {
    ...made,
    point: 'looked',
    quick: true,
    when: 'as it had found no answer yet',
    outcome: 'its successor finds the one that came',
    answered: 'while nobody works',
  },
  {
    ...made,
    point: 'never',
    when: 'while people think',
    outcome: 'their answer waits for its successor',
    answered: 'while nobody works',
  },
  {
    ...made,
    point: 'answer-read',
    when: 'between reading an answer and saying so',
    outcome: 'the answer is read again',
    answered: 'before it dies',
  },
  {
    point: 'answer-read',
    when: 'between reading a no and saying so',
    outcome: 'it stays a no',
    answered: 'before it dies',
    verdict: 'deny',
    call: 'denied',
    effects: 0,
    asked: 1,
  },
  {
    ...made,
    point: 'before-claim',
    when: 'before it has claimed what was allowed',
    outcome: 'the call is made',
    answered: 'before it dies',
  },
  {
    ...made,
    point: 'claimed',
    when: 'between using an approval up and acting',
    outcome: 'its successor has it as its own and acts once',
    answered: 'before it dies',
  },
  {
    point: 'mid-tool',
    when: 'while the command runs',
    outcome: 'the command is dead and its outcome unknown',
    answered: 'before it dies',
    call: 'unknown',
    effects: 0,
    asked: 1,
  },
  {
    point: 'acted',
    quick: true,
    when: 'between acting and storing the result',
    outcome: 'the outcome is unknown, and the approval allows no second time',
    answered: 'before it dies',
    call: 'unknown',
    effects: 1,
    asked: 1,
  },
  {
    ...made,
    point: 'result-stored',
    when: 'between storing a result and saying so',
    outcome: 'the result stands',
    answered: 'before it dies',
  },
];

describe('the worker', () => {
  let workers: Role[] = [];

  beforeAll(async () => {
    await roles.startApi();
  });

  afterEach(async () => {
    for (const worker of workers) worker.kill();
    await Promise.all(workers.map(({ gone }) => gone));
    workers = [];
  });

  afterAll(() => roles.killAll());

  async function startWorker(point: Point = 'never'): Promise<Role> {
    const worker = await roles.startWorker({ point });
    workers.push(worker);
    return worker;
  }

  async function expectGoesOn(death: Death): Promise<void> {
    const { point, verdict, call, effects, asked } = death;
    const key = `${point} ${verdict ?? 'approve'}`;
    // In the middle of a command means: after its first words, long before its effect.
    const times = point === 'mid-tool' ? { says: 'begun', beforeMs: farMs } : {};
    const program = aProgramThatAsks(key, times, { words: 12, wordMs: 30 });

    async function dieAndGoOn(): Promise<void> {
      const mortal = await startWorker(point);
      if (death.answered === 'before it dies') await answer(program, verdict);
      if (point === 'never') {
        await awaitedApproval(roles, program, roles.temporal);
        mortal.kill();
      }
      await mortal.gone;
      if (death.answered === 'while nobody works') await answer(program, verdict);
      await startWorker();
      if (death.answered === 'when its successor has asked') await answer(program, verdict);
    }

    const playing = theatre.play(roles, [program]);
    const [state] = await Promise.all([theatre.expectOneRight(roles, playing), dieAndGoOn()]);
    expect({
      ...becameOf(state),
      effects: theatre.effectsOf(key),
      asked: theatre.asksOf(program).filter(({ step }) => step === 1).length,
    }).toEqual({ ...answered(verdict ? 'denied' : 'approved', byApi, call), effects, asked });
  }

  const title = 'killed $when: $outcome';
  test.each(deaths.filter(({ quick }) => quick))(title, expectGoesOn);
  test.each(deaths.filter(({ quick }) => !quick))(title, { tags: ['faults'] }, expectGoesOn);
});

describe('the API', () => {
  afterEach(() => roles.killAll());

  /** Plays a run that asks while the API dies, and tells what whoever comes second is told. */
  async function expectAnsweredOnce(
    key: string,
    environment: Record<string, string>,
    answerAndDie: (approvalId: string, kill: () => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const api = await roles.startApi(environment);
    await roles.startWorker();
    const program = aProgramThatAsks(key);
    const ending = theatre.expectOneRight(roles, theatre.play(roles, [program]));
    const { id } = await awaitedApproval(roles, program, roles.temporal);
    await answerAndDie(id, async () => {
      api.kill();
      await api.gone;
    });
    const second = createClient({ url: roles.url, token: roles.token, surface: 'page' });
    const refusal = await second.deny(id).catch((error: ProblemError) => error);
    expect(refusal).toMatchObject({
      status: 409,
      problem: { code: 'ApprovalDecided', outcome: 'approved', decidedBy: byApi },
    });
    expect({ ...becameOf(await ending), effects: theatre.effectsOf(key) }).toEqual({
      ...answered('approved', byApi, 'succeeded'),
      effects: 1,
    });
  }

  /** Answers as a client does that tries again with its key until somebody answers it; a start may take a minute. */
  function insist(id: string): Promise<unknown> {
    return createClient({ url: roles.url, token: roles.token, retryForMs: 120_000 }).approve(id);
  }

  /** What Postgres says while there is no API to ask. */
  async function decided(id: string): Promise<string | undefined> {
    const runs = await readRuns(roles.databaseUrl);
    return [...runs.values()].flatMap(({ approvals }) => approvals).find((one) => one.id === id)?.status;
  }

  test('killed while people think: the answer that finds nobody is heard by its successor', {
    tags: ['faults'],
  }, async () => {
    await expectAnsweredOnce('api-waiting', {}, async (id, kill) => {
      await kill();
      const answering = insist(id);
      await roles.startApi();
      expect(await answering).toMatchObject({ id, status: 'approved', decidedBy: byApi });
    });
  });

  test('killed as it had stored an answer and could not say so: whoever asks again with the same key decided, and all others are told', async () => {
    const { hostname: host, port } = new URL(roles.databaseUrl);
    const link = await createCuttingProxy({ host, port: Number(port) });
    const environment = { DATABASE_URL: link.urlOf(roles.databaseUrl) };
    await expectAnsweredOnce('api-stored', environment, async (id, kill) => {
      const cut = link.cutNextCommit(id);
      const answering = insist(id);
      await cut;
      await kill();
      expect(await decided(id), 'it was the answer whose commit was cut off').toBe('approved');
      await roles.startApi();
      expect(await answering).toMatchObject({ id, status: 'approved', decidedBy: byApi });
    });
  });

  test('killed as it had stored an answer and could not wake the run: its successor does', {
    tags: ['faults'],
  }, async () => {
    const [host = '', port] = roles.temporal.address.split(':');
    const link = await createCuttingProxy({ host, port: Number(port) });
    const address = new URL(link.urlOf(`http://${roles.temporal.address}`)).host;
    await expectAnsweredOnce('api-unwoken', { TEMPORAL_ADDRESS: address }, async (id, kill) => {
      link.goDown();
      expect(await roles.client.approve(id)).toMatchObject({ id, status: 'approved', decidedBy: byApi });
      await kill();
      await roles.startApi();
    });
  });
});
