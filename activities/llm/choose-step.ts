// Which step of a scenario answers a request. Pure, and decided from the request alone: a retry, another
// process and a resumed conversation get the same answer.
import { type LlmMessage, type LlmRequest, untagged } from './llm.ts';
import type { Scenario, ScenarioStep, TextMatch } from './scenario.ts';

/** What the latest messages say, as people and tools wrote it. */
export interface Situation {
  /** The latest message of a person: the prompt, or a steer. */
  lastMessage: string;
  /** The results of the latest answer's calls, in call order. */
  lastResults: string[];
}

/**
 * The steps are walked in order, one for each answer of this run; a step whose match does not fit the moment is
 * passed over. Undefined when the walk has come to the end.
 */
export function chooseStep(scenario: Scenario, request: LlmRequest): ScenarioStep | undefined {
  const answers = answersOfRun(request);
  let found: ScenarioStep | undefined;
  // Steps whose answers a summary stands for were taken one by one.
  let next = Math.max(0, request.step - 1 - answers.length);
  for (const moment of [...answers, request.messages.length]) {
    do found = scenario.steps[next++];
    while (found !== undefined && !fits(found, request.messages, moment));
    if (found === undefined) return undefined;
  }
  return found;
}

/** Where in the messages the answers of this run stand: one for each earlier step. */
function answersOfRun({ messages, step }: LlmRequest): number[] {
  const answers = messages.flatMap((message, index) => (message.role === 'assistant' ? [index] : []));
  return step > 1 ? answers.slice(1 - step) : [];
}

export function toSituation(messages: LlmMessage[]): Situation {
  const lastMessage = messages.findLast((message) => message.role === 'user' && isOfPerson(message.text));
  const lastAnswer = messages.findLastIndex((message) => message.role === 'assistant');
  return {
    lastMessage: lastMessage === undefined ? '' : plain(lastMessage.text),
    lastResults: messages
      .slice(lastAnswer + 1)
      .flatMap((message) => (message.role === 'tool' ? [plain(message.text)] : [])),
  };
}

function isOfPerson(text: string): boolean {
  const tag = untagged(text)?.tag;
  return tag === undefined || tag === 'message';
}

function plain(text: string): string {
  return untagged(text)?.text ?? text;
}

function fits({ match }: ScenarioStep, messages: LlmMessage[], moment: number): boolean {
  // Most steps match everything, and a long run replays thousands of them for each answer.
  if (match === undefined) return true;
  const { lastMessage, lastResults } = toSituation(messages.slice(0, moment));
  if (match.lastMessage !== undefined && !matches(match.lastMessage, lastMessage)) return false;
  const wanted = match.lastResult;
  return wanted === undefined || lastResults.some((result) => matches(wanted, result));
}

function matches(match: TextMatch, text: string): boolean {
  if (typeof match === 'string') return text.includes(match);
  if ('contains' in match) return text.includes(match.contains);
  return new RegExp(match.regex, 'u').test(text);
}
