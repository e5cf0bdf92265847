// What a run's loop asks of the world, answered by a script.
import type { CallModelResult } from '../../../workflows/contracts/activities.ts';
import type { Guarded, LoopPorts, RunEnding } from '../../../workflows/run/loop.ts';

export interface Script {
  /** What the model answers, step by step; the last answer stays. */
  answers: (CallModelResult | Error)[];
  /** Endings that guarded work comes to, by its number (from 0); the work is not run then. */
  endings?: Record<number, RunEnding>;
  /** How often `finish` says that something came in first. */
  notYet?: number;
  /** What a person says no to. */
  denied?: string[];
  /** Calls that break. */
  broken?: string[];
  /** How calls end, where it is not as succeeded. */
  statuses?: Record<string, string>;
  /** What the recording of the project comes to. */
  recorded?: Promise<RunEnding | undefined>;
  /** It made calls before there was an order. */
  isOld?: true;
}

export class ContinuedAsNew extends Error {}

/** Ports that follow a script and write down what they were asked, in order. */
export function portsOf(script: Script, continueAt?: number): { ports: LoopPorts; asked: string[] } {
  const asked: string[] = [];
  let answered = 0;
  let guarded = 0;
  let notYet = script.notYet ?? 0;
  const ports: LoopPorts = {
    async callModel(step) {
      asked.push(`model ${step}`);
      const answer = script.answers[Math.min(answered, script.answers.length - 1)];
      answered += 1;
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error('The script is empty.');
      return answer;
    },
    recorded: () => script.recorded,
    keepsOrder: () => !script.isOld,
    async runTool({ callId }, after) {
      if (after) {
        asked.push(`not made ${callId} after ${after.callId} ${after.status}`);
        return { status: 'stopped', bytes: 1 };
      }
      asked.push(`tool ${callId}`);
      await Promise.resolve();
      if (script.broken?.includes(callId)) throw new Error(`${callId} broke`);
      asked.push(`done ${callId}`);
      return { status: script.statuses?.[callId] ?? 'succeeded', bytes: 1 };
    },
    async finish(step, { outcome, reason }) {
      asked.push(`finish ${step} ${outcome} ${reason}`);
      notYet -= 1;
      return notYet < 0;
    },
    async guard<T>(work: () => Promise<T>): Promise<Guarded<T>> {
      const ending = script.endings?.[guarded];
      guarded += 1;
      if (ending) return { kind: 'ended', ending };
      return { kind: 'done', value: await work() };
    },
    async allowed(waits) {
      asked.push(`may ${waits}`);
      return !script.denied?.includes(waits);
    },
    async closed(callId) {
      asked.push(`closed ${callId}`);
    },
    ended: (status, result) => void asked.push(`ended ${status}${result ? ` ${result.steps}` : ''}`),
    async betweenSteps(step) {
      asked.push(`between ${step}`);
      if (step === continueAt) throw new ContinuedAsNew();
    },
  };
  return { ports, asked };
}
