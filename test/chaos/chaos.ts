// One chaos run: many random programs at once against the whole product while the nemesis breaks it, then the
// checker over everything that was seen.
import { chmod, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { awkwardName, awkwardNames } from '../support/awkward-names.ts';
import { type Platform, startPlatform } from '../support/platform.ts';
import type { OwnEngine } from '../support/own-engine.ts';
import { openSmallDisk, type SmallDisk, smallDiskProblem } from '../support/small-disk.ts';
import type { AskedMode } from '../../workflows/contracts/run.ts';
import { check } from './checker.ts';
import { createDice } from './dice.ts';
import {
  type Evidence,
  type Finding,
  placeOf,
  readEffects,
  readFiles,
  readHomecomings,
  readMoney,
  readRuns,
} from './evidence.ts';
import { type FakeModel, startFakeModel } from './fake-model.ts';
import { writeJournal } from './journal.ts';
import { type Ledger, type LedgerMood, startLedger } from './ledger.ts';
import { type Fault, killsIn, type Nemesis, startNemesis } from './nemesis.ts';
import { type Played, play } from './player.ts';
import { allCalls, createProgram, inSandbox, type Message, scriptOf } from './program.ts';
import { watchResources } from './resources.ts';
import { leftInEngine, usableKinds } from './sandboxes.ts';

export interface ChaosInput {
  seed: number;
  programs: number;
  /** Spread over the programs; more of them are played until so many processes were killed. 0 leaves it alone. */
  kills: number;
  /** Programs at once. */
  atOnce?: number;
  /** Each program's commands run in one of the kinds of sandbox that this machine has; else all on the machine. */
  sandboxes?: boolean;
  /** An engine that runs, with the image `small`: its containers are the platform's, and it is killed like the rest. */
  engine?: OwnEngine | undefined;
  /** Where the workflow bundle is kept, when that is not the platform's own folder. */
  cache?: string;
  say?(line: string): void;
}

export interface ChaosResult extends Finding {
  seed: number;
  programs: number;
  kills: number;
  seconds: number;
  /** Where everything that was seen is written down; only when something was found. */
  journal: string | undefined;
}

// Two cores: more at once only makes every program slower.
const usualAtOnce = 16;
// A micro-dollar a token: the day's allowance is never reached, and a unit of money that is lost shows.
const prices = JSON.stringify({ 'compatible/*': { input: 1_000_000, output: 1_000_000 } });
// Above the number of any program, so that no program has the same dice.
const placePart = 0x70_6c_61_63;
// Shorter than many a recovery, on purpose.
const pauseMs: [number, number] = [500, 2_000];

export async function runChaos(input: ChaosInput): Promise<ChaosResult> {
  const startedAt = Date.now();
  const work = await mkdtemp(path.join(tmpdir(), 'perdure-chaos-'));
  // Under root the database server runs as another user, who must be able to walk through.
  await chmod(work, 0o755);
  const library = createLibrary(input.seed);
  const ledger = await startLedger(library.moodOf);
  const model = await startFakeModel(({ marker, step, attempt }) =>
    scriptOf(library.messageOf(marker), step, attempt, ledger.port),
  );
  let platform: Platform | undefined;
  let disk: SmallDisk | undefined;
  try {
    const problem = await smallDiskProblem();
    if (problem === undefined) disk = await openSmallDisk();
    else input.say?.(`no disk is filled: ${problem}`);
    const place = namesOf(input.seed);
    const projects = path.join(work, 'projects', place.name);
    await mkdir(path.join(work, 'temporary'));
    await mkdir(projects, { recursive: true });
    const folder = place.throughLink ? path.join(work, 'projects', 'link') : projects;
    if (place.throughLink) await symlink(projects, folder);
    input.say?.(`names ${JSON.stringify(place)}`);
    platform = await startPlatform({
      parent: disk?.folder ?? work,
      ...place,
      ...(input.cache === undefined ? {} : { cache: input.cache }),
      environment: {
        PERDURE_COMPATIBLE_BASE_URL: model.url,
        PERDURE_PRICES: prices,
        PERDURE_TOOL_SLOTS: '8',
        PERDURE_LLM_SLOTS: '32',
        TMPDIR: path.join(work, 'temporary'),
        ...(input.engine && { DOCKER_HOST: `unix://${input.engine.socket}`, PERDURE_SANDBOX_IMAGE: 'small' }),
      },
    });
    if (input.sandboxes) {
      library.kinds = await usableKinds(platform);
      input.say?.(`commands run in ${library.kinds.join(', ')}`);
    }
    const resources = watchResources(platform, { work, temporary: path.join(work, 'temporary') });
    const { played, faults } = await playAll(input, { platform, disk }, library, folder);
    const left = await resources.finish();
    const containers = await lookForContainers(input, library.kinds, { platform, played });
    const evidence = await gather(platform, { played, faults, ledger, model });
    const found = check(evidence);
    const violations = [...found.violations, ...left.violations, ...containers.violations];
    const logs = path.join(platform.data, 'logs');
    return {
      seed: input.seed,
      programs: played.length,
      kills: killsIn(faults),
      seconds: Math.round((Date.now() - startedAt) / 1000),
      violations,
      figures: {
        ...found.figures,
        ...left.figures,
        ...containers.figures,
        'kinds of sandboxes': library.kinds.join(', '),
        'engine killed': faults.filter(({ kind }) => kind === 'engine').length,
        'disk filled, logs removed': ['full-disk', 'remove-logs']
          .map((name) => faults.filter(({ kind }) => kind === name).length)
          .join(', '),
      },
      journal:
        violations.length > 0
          ? await writeJournal({ seed: input.seed, logs }, evidence, violations)
          : undefined,
    };
  } finally {
    await platform?.remove();
    await disk?.remove();
    await model.close();
    await ledger.close();
    await rm(work, { recursive: true, force: true });
  }
}

/** The name of the data folder and of the projects, and whether they are reached by a link. */
function namesOf(seed: number): { name: string; throughLink: boolean } {
  const dice = createDice(seed).derive(placePart);
  return { name: dice.pick([...awkwardNames, awkwardName]), throughLink: dice.chance(0.5) };
}

/** The programs of a seed, made as they are asked for; model and ledger look up what they are to do. */
function createLibrary(seed: number) {
  const messages = new Map<string, Message>();
  const moods = new Map<string, LedgerMood>();
  let next = 0;
  return {
    /** One for each program, by its number. */
    kinds: ['mount'] as AskedMode[],
    count: () => next,
    next() {
      const kind = this.kinds[next % this.kinds.length] ?? 'mount';
      const program = inSandbox(createProgram(seed, next), kind);
      next += 1;
      for (const message of program.messages) messages.set(message.marker, message);
      for (const { call } of allCalls(program)) if (call.kind === 'effect') moods.set(call.key, call.mood);
      return program;
    },
    messageOf: (marker: string) => messages.get(marker),
    moodOf: (key: string) => moods.get(key) ?? 'answers',
  };
}

async function playAll(
  input: ChaosInput,
  { platform, disk }: { platform: Platform; disk: SmallDisk | undefined },
  library: ReturnType<typeof createLibrary>,
  folder: string,
): Promise<{ played: Played[]; faults: Fault[] }> {
  const dice = createDice(input.seed);
  const played: Played[] = [];
  const stage = { url: platform.url, token: platform.token, model: 'compatible/chaos', folder };
  let nemesis: Nemesis | undefined;
  const kills = (): number => (nemesis ? killsIn(nemesis.faults) : 0);
  const isDue = (): boolean => kills() * input.programs < library.count() * input.kills;
  if (input.kills > 0)
    nemesis = startNemesis({ platform, disk, engine: input.engine, dice: dice.derive(-1), pauseMs, isDue });

  async function playOn(): Promise<void> {
    while (library.count() < input.programs || kills() < input.kills) {
      const program = library.next();
      played.push(await play(program, { ...stage, dice: dice.derive(program.id) }));
      input.say?.(`program ${program.id} is over: ${played.length} played, ${kills()} kills`);
    }
  }

  // A nemesis that breaks down would leave the programs without faults, and the run without an end.
  const broken = nemesis?.raging.then(() => new Promise<never>(() => undefined));
  const playing = Promise.all(Array.from({ length: input.atOnce ?? usualAtOnce }, playOn));
  await Promise.race(broken ? [playing, broken] : [playing]);
  await nemesis?.stop();
  return { played, faults: nemesis?.faults ?? [] };
}

async function lookForContainers(
  { engine }: ChaosInput,
  kinds: readonly AskedMode[],
  { platform, played }: { platform: Platform; played: readonly Played[] },
): Promise<Finding> {
  if (!kinds.includes('sandbox')) return { violations: [], figures: {} };
  const runIds = new Set(played.flatMap(({ messages }) => messages.map(({ runId }) => runId)));
  return leftInEngine(runIds, platform, engine);
}

async function gather(
  platform: Platform,
  seen: { played: Played[]; faults: Fault[]; ledger: Ledger; model: FakeModel },
): Promise<Evidence> {
  const { played, faults, ledger, model } = seen;
  const money = await readMoney(platform.databaseUrl);
  const homecomings = await readHomecomings(platform.databaseUrl);
  const runs = await readRuns(platform.databaseUrl);
  const inPlace = played.map((each) => ({ ...each, folder: placeOf(each, runs, platform.data) }));
  const [files, atHome, noted] = await Promise.all([
    readFiles(inPlace),
    readFiles(played),
    readEffects(inPlace),
  ]);
  const hits = [...ledger.hits, ...noted];
  return { played: inPlace, faults, hits, model, runs, files, atHome, homecomings, money };
}
