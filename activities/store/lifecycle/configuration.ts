// What a new run goes by: what its request says, else the settings of its conversation, else what the run before it was
// told, else the defaults of this server. At each of these levels its preset speaks after it; the first level that says
// something decides. Every way to start a run goes through `carryOn`.
import type { Source, Sources, Standing, Variables } from '../../../workflows/contracts/configuration.ts';
import type { ExternalTool } from '../../../workflows/contracts/external-tool.ts';
import {
  type OverBudget,
  RunLimits,
  type StartRunBody,
  type WorkTree,
} from '../../../workflows/contracts/run.ts';
import type { ContainerRef } from '../../../workflows/contracts/container.ts';
import type { ConversationSettings } from '../../../workflows/contracts/conversation.ts';
import type { Preset } from '../../../workflows/contracts/preset.ts';
import type { StoredPreset } from '../presets/presets.ts';
import { presetOf } from '../runs/preset-of-run.ts';
import { workspaceOf } from '../runs/workspace-of-run.ts';
import { askedMode, priorityOf, type RunRow } from '../runs/runs.ts';

/**
 * The run whose settings the new one takes over, and what that run is to it. It is the run that a message names to go on
 * from. Else it is the run of the conversation that was accepted last, whatever became of it, and not the one whose
 * messages are continued: a run that failed has left nothing to go on from, but what it was told stands. So what a run
 * goes by is settled when it is accepted; a parked run keeps it, however the runs ahead of it end.
 */
export interface RunBefore {
  run: RunRow;
  /** `run`: its request is made again, with all that it said. `conversation`: the new one follows it. */
  source: 'conversation' | 'run';
}

interface Decision<Value> {
  why: string;
  /** What that run had. */
  of(run: RunRow): Value;
}

/** What a request says here stands for the runs that follow too. */
type Stands<Name extends Standing> = Decision<StartRunBody[Name]>;

type Passes<Name extends keyof StartRunBody> =
  /** It is said of one request, and holds again only when that request is made again. */
  | ({ holds: 'request' } & Decision<StartRunBody[Name]>)
  /** It is said of one message. */
  | { holds: 'message'; why: string }
  /** It stands for the runs that follow as long as they have the same preset. */
  | { holds: 'preset'; why: string };

type Decided = {
  readonly [Name in keyof Required<StartRunBody>]: Name extends Standing ? Stands<Name> : Passes<Name>;
};

/** A field of the request without a decision here does not compile. */
export const decided: Decided = {
  preset: {
    why: 'It says what the agent is. It counts in its newest version, also where it decided another setting.',
    of: (run) => presetOf(run)?.id ?? null,
  },
  variables: { holds: 'preset', why: 'They fill in the instructions of that preset.' },
  project: {
    why: 'A follow-up is about the same files.',
    of: (run) => (run.project_path === null || workspaceOf(run) ? null : { path: run.project_path }),
  },
  workspace: {
    why: 'A follow-up is about the same files. It counts in its newest version; another `project` takes its place.',
    of: (run) => workspaceOf(run)?.id ?? null,
  },
  model: {
    why: 'Another model could cost more, or send the project to another provider.',
    of: (run) => run.model,
  },
  policy: {
    why: 'Another policy could allow more. It counts in its newest version.',
    of: (run) => run.policy,
  },
  limits: {
    why: 'Each limit that was said. What people add while a run is at work is that run’s; any other limit is the policy’s own.',
    of: saidLimits,
  },
  priority: { why: 'Work that gives way to other work still does.', of: (run) => priorityOf(run.priority) },
  owner: { why: 'It must not leave the owner’s allowance.', of: (run) => run.owner ?? undefined },
  attended: {
    why: 'A person who could answer before can again; without an answer a call is not made.',
    of: (run) => run.attended,
  },
  overBudget: {
    why: 'Work that was told to wait for money, or not to, still is. Unsaid, it follows `attended`.',
    of: (run) => (run.over_budget as OverBudget | null) ?? undefined,
  },
  externalTools: {
    why: 'The messages so far tell the model of them. An empty list takes them away.',
    of: (run) => {
      const tools = run.external_tools as unknown as ExternalTool[];
      return tools.length === 0 ? undefined : tools;
    },
  },
  execMode: {
    why: 'What it may do was decided for a sandbox of this kind.',
    of: askedMode,
  },
  container: {
    why: 'What it may do was decided for that container.',
    of: (run) => (run.container as ContainerRef | null) ?? undefined,
  },
  executor: {
    why: 'A follow-up is about the same files, and they are on that machine.',
    of: (run) => run.executor,
  },
  workTree: {
    why: 'A follow-up goes on in the tree of the run before it.',
    of: (run) => run.work_tree as WorkTree,
  },
  metadata: {
    holds: 'request',
    why: 'Labels of one run; the conversation has those of its first.',
    of: (run) => run.metadata as Record<string, string>,
  },
  acceptNoContainment: {
    holds: 'request',
    why: 'A risk is accepted anew for each message.',
    of: (run) => run.accept_no_containment,
  },
  wakeUp: {
    holds: 'message',
    why: 'It is said of the conversation, where it stands until it is changed.',
  },
  prompt: { holds: 'message', why: 'The message itself.' },
  parts: {
    holds: 'message',
    why: 'What the message carries; the runs that follow read it with the message.',
  },
  messageId: { holds: 'message', why: 'The id of the message.' },
  conversationId: { holds: 'message', why: 'Where the message goes.' },
  fromRunId: { holds: 'message', why: 'Where the message goes on from.' },
  whenBusy: { holds: 'message', why: 'What becomes of this message while another run is active.' },
};

const limitNames = RunLimits.keyof().options;

/** For a run from before these were recorded, all its limits count as said, so that none is lost. */
function saidLimits({ limits, said_limits: said }: RunRow): RunLimits {
  return (said ?? limits) as RunLimits;
}

/** What may say something of a run, beside its request. */
export interface Surroundings {
  /** The conversation's own settings. */
  settings?: ConversationSettings | undefined;
  before?: RunBefore | undefined;
  /** Those that `presetsNamed` names, as far as there are such, and the default. */
  presets: readonly StoredPreset[];
}

export interface Carried {
  /** The request, filled in with what else was said. The server decides what is still left out. */
  wanted: StartRunBody;
  sources: Sources;
  /** Its preset; an id where there is none of that name. */
  preset: StoredPreset | string | null;
}

/** What is said in one place, by name; a limit is named `limits.steps`. */
type Said = Record<string, unknown>;

interface Level {
  source: Source;
  /** By itself. */
  said: Said;
  /** By the preset that it names. */
  saidByPreset: Said;
  /** Null: none, whatever stands at the levels below. Undefined: nothing is said of it. */
  preset: string | null | undefined;
}

/** The presets whose newest versions count for a request. */
export function presetsNamed(request: StartRunBody, around: Omit<Surroundings, 'presets'>): string[] {
  return levelsOf(request, { ...around, presets: [] }).flatMap(({ preset }) => preset ?? []);
}

/** From the first that counts to the last. A request that is made again has all that it goes by. */
function levelsOf(request: StartRunBody, { settings, before, presets }: Surroundings): Level[] {
  const find = (id: string | null | undefined): Preset | undefined =>
    presets.find(({ preset }) => preset.id === id)?.preset;
  const levelOf = (source: Source, said: Settings): Level => ({
    source,
    said: flat(said),
    saidByPreset: flat(find(said.preset) ?? {}),
    preset: said.preset,
  });
  const usual = presets.find(({ isDefault }) => isDefault)?.preset.id;
  const levels = [
    levelOf('request', request),
    ...(settings && before?.source !== 'run' ? [levelOf('settings', settings)] : []),
    ...(before ? [levelOfRun(before, find(presetOf(before.run)?.id))] : []),
    levelOf('instance', { preset: usual }),
  ];
  // Who wants no preset means those below too; what the run before has of its own stands.
  const none = levels.findIndex(({ preset }) => preset === null);
  return levels.map((level, at) =>
    none >= 0 && at > none && level.source !== before?.source ? { ...level, saidByPreset: {} } : level,
  );
}

type Settings = Pick<
  Partial<StartRunBody>,
  'preset' | 'limits' | 'container' | 'execMode' | 'project' | 'workspace'
>;

/** Who names a container means to work in it. A project and a workspace are two words for one place: who names one means not the other. */
function flat({ limits, ...said }: Settings): Said {
  return {
    ...(said.container && { execMode: 'container' }),
    ...(said.project !== undefined && { workspace: null }),
    ...(said.workspace != null && { project: null }),
    ...said,
    ...Object.fromEntries(Object.entries(limits ?? {}).map(([name, value]) => [`limits.${name}`, value])),
  };
}

/** What the run before goes by. Where its preset said so, it is what that preset says now. */
function levelOfRun({ run, source }: RunBefore, preset: Preset | undefined): Level {
  const said: Said = {};
  for (const [name, decision] of Object.entries(decided))
    if (!('holds' in decision) && name !== 'limits') said[name] = decision.of(run);
  Object.assign(said, flat({ limits: saidLimits(run) }));
  const { limits, ...others } = (run.sources ?? {}) as Partial<Sources>;
  const sources = {
    // One from before there were workspaces had a project where it could have had one.
    ...{ workspace: others.project, ...others },
    ...flat({ limits: limits as object }),
  } as Record<string, Source>;
  const saidByPreset: Said = {};
  for (const [name, value] of Object.entries(flat(preset ?? {}))) {
    if (sources[name] !== 'preset') continue;
    saidByPreset[name] = value;
    delete said[name];
  }
  return { source, said, saidByPreset, preset: presetOf(run)?.id ?? null };
}

export function carryOn(request: StartRunBody, around: Surroundings): Carried {
  const levels = levelsOf(request, around);
  const chosen = levels.find(({ preset }) => preset !== undefined);
  const id = chosen?.preset ?? null;
  const found = around.presets.find(({ preset }) => preset.id === id);

  /** From the first level at which this is said, by the level itself or by its preset. */
  function first(name: string): { value?: unknown; source: Source } {
    for (const { source, said, saidByPreset, preset } of levels) {
      if (said[name] !== undefined) return { value: said[name], source };
      if (saidByPreset[name] !== undefined)
        return { value: saidByPreset[name], source: preset === id ? 'preset' : source };
    }
    return { source: 'instance' };
  }

  const wanted: Record<string, unknown> = { ...request };
  const sources: Record<string, Source> = {};
  for (const [name, decision] of Object.entries(decided)) {
    if (name === 'limits' || name === 'preset') continue;
    if ('holds' in decision) {
      const { before } = around;
      if (decision.holds === 'request' && before?.source === 'run') wanted[name] ??= decision.of(before.run);
      continue;
    }
    const { value, source } = first(name);
    wanted[name] = value;
    sources[name] = source;
  }
  const limits = limitNames.map((name) => [name, first(`limits.${name}`)] as const);
  const said = limits.flatMap(([name, { value }]) => (value === undefined ? [] : [[name, value] as const]));
  return {
    wanted: {
      ...(wanted as StartRunBody),
      limits: Object.fromEntries(said),
      variables: variablesFor(request, around, found),
    },
    sources: {
      ...(sources as Omit<Sources, 'limits'>),
      preset: chosen?.source ?? 'instance',
      limits: Object.fromEntries(
        limits.map(([name, { source }]) => [name, source]),
      ) as unknown as Sources['limits'],
    },
    preset: found ?? id,
  };
}

/** What is said now comes before what was said while the preset was the same, as far as it still declares that. */
function variablesFor(
  request: StartRunBody,
  { before }: Surroundings,
  found: StoredPreset | undefined,
): Variables {
  const then = before && presetOf(before.run);
  if (!found || then?.id !== found.preset.id) return { ...request.variables };
  const declared = Object.keys(found.preset.variables ?? {});
  const kept = Object.entries(then.variables).filter(([name]) => declared.includes(name));
  return { ...Object.fromEntries(kept), ...request.variables };
}
