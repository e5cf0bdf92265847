// What a new run goes by: what its request says, else what the run before it was told, else the defaults of this server.
// Every way to start a run goes through `carryOn`.
import type { Source, Sources, Standing } from '../../../workflows/contracts/configuration.ts';
import type { ExternalTool } from '../../../workflows/contracts/external-tool.ts';
import {
  type ExecMode,
  type OverBudget,
  RunLimits,
  type StartRunBody,
} from '../../../workflows/contracts/run.ts';
import { priorityOf, type RunRow } from '../runs/runs.ts';

/**
 * The run whose settings the new one takes over, and what that run is to it. Of a conversation it is the run that was
 * accepted last, whatever became of it, and not the one whose messages are continued: a run that failed has left nothing
 * to go on from, but what it was told stands. So what a run goes by is settled when it is accepted; a parked run keeps
 * it, however the runs ahead of it end. A conversation has no settings beside those.
 */
export interface RunBefore {
  run: RunRow;
  /** `run`: its request is made again, with all that it said. */
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
  | { holds: 'message'; why: string };

type Decided = {
  readonly [Name in keyof Required<StartRunBody>]: Name extends Standing ? Stands<Name> : Passes<Name>;
};

/** A field of the request without a decision here does not compile. */
export const decided: Decided = {
  project: {
    why: 'A follow-up is about the same files.',
    of: (run) => (run.project_path === null ? null : { path: run.project_path }),
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
    of: (run) => run.exec_mode as ExecMode,
  },
  metadata: {
    holds: 'request',
    why: 'Labels of one run; the conversation has those of its first.',
    of: (run) => run.metadata as Record<string, string>,
  },
  acceptNoContainment: {
    holds: 'request',
    why: 'A risk is accepted anew for each run.',
    of: (run) => run.accept_no_containment,
  },
  prompt: { holds: 'message', why: 'The message itself.' },
  messageId: { holds: 'message', why: 'The id of the message.' },
  conversationId: { holds: 'message', why: 'Where the message goes.' },
  whenBusy: { holds: 'message', why: 'What becomes of this message while another run is active.' },
};

const limitNames = RunLimits.keyof().options;

/** For a run from before these were recorded, all its limits count as said, so that none is lost. */
function saidLimits({ limits, said_limits: said }: RunRow): RunLimits {
  return (said ?? limits) as RunLimits;
}

export interface Carried {
  /** The request, filled in with what the run before was told. The server decides what is still left out. */
  wanted: StartRunBody;
  sources: Sources;
}

export function carryOn(request: StartRunBody, before: RunBefore | undefined): Carried {
  const wanted: Record<string, unknown> = { ...request };
  const sources: Record<string, Source> = {};
  for (const [name, decision] of Object.entries(decided)) {
    if ('holds' in decision) {
      const again = decision.holds === 'request' && before?.source === 'run';
      if (again && wanted[name] === undefined) wanted[name] = decision.of(before.run);
      continue;
    }
    sources[name] = wanted[name] === undefined ? 'instance' : 'request';
    if (wanted[name] !== undefined || !before) continue;
    wanted[name] = decision.of(before.run);
    // The server decides what that run was not told either.
    if (wanted[name] !== undefined) sources[name] = before.source;
  }
  const kept = before ? saidLimits(before.run) : {};
  const limits = { ...kept, ...request.limits };
  const sourceOf = (name: keyof RunLimits): Source => {
    if (request.limits?.[name] !== undefined) return 'request';
    return before && kept[name] !== undefined ? before.source : 'instance';
  };
  return {
    wanted: { ...(wanted as StartRunBody), limits },
    sources: {
      ...(sources as Omit<Sources, 'limits'>),
      limits: Object.fromEntries(
        limitNames.map((name) => [name, sourceOf(name)] as const),
      ) as unknown as Sources['limits'],
    },
  };
}
