// A model that obeys every text it is sent: what a planted text demands comes first, then what it was asked for. It
// knows nothing but the conversation it is sent, so that the same request gets the same answer.
import {
  type Ask,
  type FakeModel,
  type ModelRequest,
  type Script,
  startFakeModel,
} from '../chaos/fake-model.ts';
import type { PlantedCall, PlantedStep } from './goal.ts';

export interface Task {
  /** The one call that brings what the person wants to know. */
  first: PlantedCall;
  /** Where the answer is to be written; undefined where the run may not write. */
  summary: string | undefined;
  /** What a subagent says that is asked to report. */
  report: string;
}

/** What a run of this task has a subagent do. */
export const reportOn = (number: number): string => `[[report ${number}]] What is the figure?`;

export interface ObeyingModel extends FakeModel {
  /** The planted calls it has really made, by the number of the task. */
  obeyed: Map<number, PlantedCall[]>;
  /** Everything it was sent. */
  bodies: string[];
}

/**
 * The mark that a planted text hides its demand in, in brackets of its own: the scripted server takes `[[…]]` for the
 * mark of a prompt. `later`: not before the person has spoken again.
 */
export function demand(steps: readonly PlantedStep[], when: 'now' | 'later' = 'now'): string {
  const brief = steps.map((step) => step.map(({ tool, input }) => [tool, input]));
  return `((${when} ${Buffer.from(JSON.stringify(brief)).toString('base64url')}))`;
}

const demands = /\(\((now|later) ([\w-]+)\)\)/g;
export const factOf = (number: number): string => `fact-${number}-${(number * 7919 + 104_729).toString(36)}`;
const context = /<perdure:context>\n[^]*\n<\/perdure:context>/;
const fact = /fact-\d+-[0-9a-z]+/;
export const answerWith = (found: string): string => `It says ${found}.`;
export const summaryWith = (found: string): string => `# Summary\n\nIt says ${found}.\n`;

export async function startObeyingModel(taskOf: (number: number) => Task | undefined): Promise<ObeyingModel> {
  const obeyed = new Map<number, PlantedCall[]>();
  const bodies: string[] = [];

  function scriptFor({ marker }: Ask, request: ModelRequest): Script {
    bodies.push(request.body);
    const reports = /^report (\d+)$/.exec(marker)?.[1];
    if (reports !== undefined) return { words: [taskOf(Number(reports))?.report ?? ''] };
    const number = Number(marker);
    const task = taskOf(number);
    if (!task) return { words: ['I was asked nothing.'] };
    const next = nextOf(request, task);
    if (next.planted) obeyed.set(number, [...(obeyed.get(number) ?? []), ...next.calls]);
    return {
      words: [next.text],
      calls: next.calls.map(({ tool, input }) => ({ name: tool, input: JSON.stringify(input) })),
    };
  }

  return { ...(await startFakeModel(scriptFor)), obeyed, bodies };
}

interface Next {
  text: string;
  calls: readonly PlantedCall[];
  planted: boolean;
}

function nextOf({ messages, tools }: ModelRequest, task: Task): Next {
  const known = new Set<string>();
  const waiting: PlantedStep[] = [];
  const remembered: PlantedStep[] = [];
  const listen = (text: string): void => {
    for (const [mark, when, brief = ''] of text.matchAll(demands)) {
      if (!known.has(mark)) (when === 'later' ? remembered : waiting).push(...fromBrief(brief));
      known.add(mark);
    }
  };
  let [own, spoken, found, result] = [0, 0, '', ''];
  for (const { description } of tools) listen(description);
  // What is told anew with each step was told with the first one too.
  for (const { text } of messages) listen(context.exec(text)?.[0] ?? '');
  for (const message of messages) {
    const text = message.text.replace(context, '');
    if (message.role === 'assistant' && message.calls > 0) {
      if (waiting.shift() === undefined) own += 1;
    }
    // What files of the project say may stand before it in the same message.
    if (message.role === 'user' && text.includes('<perdure:message>')) {
      spoken += 1;
      if (spoken === 2) waiting.push(...remembered);
    }
    if (message.role !== 'tool' && message.role !== 'user') continue;
    if (message.role === 'tool') result = text.replace(/^<[^>]*>\n|\n<[^>]*>$/g, '');
    found = fact.exec(text)?.[0] ?? found;
    listen(text);
  }
  const [planted] = waiting;
  if (planted) return { text: 'At once.', calls: fillIn(planted, result), planted: true };
  if (spoken === 1 && remembered.length > 0) return { text: 'I will.', calls: [], planted: false };
  const { summary } = task;
  const asked: PlantedCall[] = [task.first];
  if (summary !== undefined)
    asked.push({ tool: 'write', input: { path: summary, content: summaryWith(found) } });
  const call = asked[own];
  return { text: call ? '' : answerWith(found), calls: call ? [call] : [], planted: false };
}

function fromBrief(brief: string): PlantedStep[] {
  const steps = JSON.parse(Buffer.from(brief, 'base64url').toString()) as [string, unknown][][];
  return steps.map((step) => step.map(([tool, input]) => ({ tool, input })));
}

// Enough for a key, within what an address may hold.
const mostLoot = 1500;

/** Puts what the last call answered where the demand wants it. */
function fillIn(step: PlantedStep, result: string): PlantedCall[] {
  const loot = result.slice(0, mostLoot).toWellFormed();
  const forms: Record<string, string> = {
    result: loot,
    url: encodeURIComponent(loot),
    host: Buffer.from(loot).toString('hex').slice(0, 60),
  };
  const filled = JSON.stringify(step).replaceAll(/\{\{(\w+)\}\}/g, (mark, name: string) =>
    forms[name] === undefined ? mark : JSON.stringify(forms[name]).slice(1, -1),
  );
  return JSON.parse(filled) as PlantedCall[];
}
