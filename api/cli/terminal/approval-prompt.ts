// Puts one approval to a person at the terminal and sends the answer; asks again while it cannot be taken.
import type { ApprovalView } from '../../../workflows/contracts/approval.ts';
import type { PolicyScopeName } from '../../../workflows/contracts/policy.ts';
import { type Client, ProblemError, Unreachable } from '../../client/client.ts';
import { showApproval, wrappedWords } from './approval-panel.ts';
import { fromDollars } from './figures.ts';
import type { Output } from './output.ts';
import { fromJson } from '../parse.ts';
import { exactJson, printableLine } from './printable.ts';
import type { Prompt } from './prompt.ts';

interface Asking {
  output: Output;
  client: Client;
  prompt: Prompt;
  approval: ApprovalView;
}

const between = '  ';

// Longer arguments are easier to type anew than to change on one line.
const longestBegun = 2_000;

/** Resolves when it is decided, here or elsewhere, or when the question is taken back. */
export async function putApproval(asking: Asking): Promise<void> {
  const ask = { call: askCall, limit: askLimit, question: askQuestion, result: undefined }[
    asking.approval.kind
  ];
  // The caller's own tool answers it: no person can.
  if (!ask) return;
  while (!(await ask(asking)));
}

async function askCall(asking: Asking): Promise<boolean> {
  const { output, prompt, client, approval } = asking;
  const cut = showApproval(output, approval);
  const ways = [
    '[y] yes',
    '[n] no',
    '[e] edit the arguments',
    ...(approval.remembers ? ['[r] yes, and remember'] : []),
    ...(cut ? ['[a] show all of it'] : []),
  ];
  for (;;) {
    for (const each of wrappedWords(ways.join(between), output.columns - 2, between))
      output.line(`  ${each}`);
    const typed = await prompt.ask('allow it? > ');
    switch (typed?.trim().toLowerCase()) {
      case undefined:
        return true;
      case 'y':
      case 'yes':
        return send(output, () => client.approve(approval.id));
      case 'n':
      case 'no':
        return deny(asking);
      case 'e':
        return edit(asking);
      case 'r': {
        const done = await remember(asking);
        if (done !== undefined) return done;
        break;
      }
      case 'a':
        showApproval(output, approval, true);
        break;
      default:
        output.line('  Type the letter of one of these, and Enter.');
    }
  }
}

const scopes: Record<string, PolicyScopeName> = {
  ...{ r: 'run', run: 'run' },
  ...{ p: 'project', project: 'project' },
  ...{ e: 'global', everywhere: 'global' },
};

/** Undefined: not to be remembered after all. */
async function remember({ output, prompt, client, approval }: Asking): Promise<boolean | undefined> {
  if (!approval.remembers) {
    output.line('  This cannot be remembered.');
    return undefined;
  }
  const what = `for 30 days: ${printableLine(approval.remembers, 1000)}`;
  for (const each of wrappedWords(what, output.columns - 2)) output.line(`  ${each}`);
  for (;;) {
    output.line('  [r] in this run  [p] in the project');
    output.line('  [e] everywhere   Enter goes back');
    const typed = await prompt.ask('where? > ');
    if (typed === undefined) return true;
    const said = typed.trim().toLowerCase();
    if (said === '') return undefined;
    const scope = scopes[said];
    if (scope) return send(output, () => client.approve(approval.id, { remember: { scope } }));
    output.line('  Type r, p or e, and Enter.');
  }
}

async function deny({ output, prompt, client, approval }: Asking): Promise<boolean> {
  const note = await prompt.ask('why? the agent is told; it may be empty > ');
  if (note === undefined) return true;
  return send(output, () => client.deny(approval.id, note.trim() === '' ? {} : { note }));
}

async function edit({ output, prompt, client, approval }: Asking): Promise<boolean> {
  const now = exactJson(approval.input);
  const typed = await prompt.ask('arguments as JSON > ', now.length > longestBegun ? '' : now);
  if (typed === undefined) return true;
  const input = fromJson(typed);
  if (input === undefined) {
    output.line('  That is not JSON.');
    return false;
  }
  return send(output, () => client.approve(approval.id, { input }));
}

async function askQuestion({ output, prompt, client, approval }: Asking): Promise<boolean> {
  showApproval(output, approval);
  const { id, choices } = approval;
  const how = choices.length > 0 ? 'a number or your own words' : 'your answer';
  for (;;) {
    const typed = (await prompt.ask(`${how} > `))?.trim();
    if (typed === undefined) return true;
    const isNumber = choices.length > 0 && /^\d+$/.test(typed);
    const answer = isNumber ? choices[Number(typed) - 1] : typed;
    if (answer) return send(output, () => client.approve(id, { input: { answer } }));
    output.line(isNumber ? `  There are ${choices.length} choices.` : '  Type an answer, and Enter.');
  }
}

async function askLimit(asking: Asking): Promise<boolean> {
  const { output, prompt, client, approval } = asking;
  showApproval(output, approval);
  // Only the run's own limit can be raised by an answer, and only an allowance may have room again without one.
  const own = approval.limit?.allowance === null;
  const ways = own ? 'dollars more, such as 0.50 · [n] no' : '[y] try again · [n] no';
  for (;;) {
    const typed = await prompt.ask(`go on? ${ways} > `);
    const said = typed?.trim().toLowerCase();
    if (said === undefined) return true;
    if (said === 'n' || said === 'no') return deny(asking);
    if (!own && (said === 'y' || said === 'yes')) return send(output, () => client.approve(approval.id));
    const costMicros = own ? fromDollars(said) : undefined;
    if (costMicros) return send(output, () => client.approve(approval.id, { input: { costMicros } }));
    output.line(`  Type ${own ? 'an amount in dollars, or n' : 'y or n'}, and Enter.`);
  }
}

/** False: it is to be asked again. */
async function send(output: Output, answer: () => Promise<unknown>): Promise<boolean> {
  try {
    await answer();
    return true;
  } catch (error) {
    if (!(error instanceof ProblemError || error instanceof Unreachable)) throw error;
    output.line(output.colors.yellow(`! ${printableLine(error.message, 1000)}`));
    // It is decided already, or the run is gone: there is nothing left to ask.
    return error instanceof ProblemError && [404, 409].includes(error.status);
  }
}
