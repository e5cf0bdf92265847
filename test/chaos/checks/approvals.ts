// I11: each approval is asked once and answered once, by one person; nothing happens that no person allowed, and what
// was allowed is used up by one call.
import { type Check, plannedCalls, type RunState, type Violation } from '../evidence.ts';
import type { PlayedAnswer } from '../player.ts';

type Approval = RunState['approvals'][number];

const statusOf = { approve: 'approved', deny: 'denied' } as const;

export const checkApprovals: Check = (evidence) => {
  const violations: Violation[] = [];
  const figures = {
    'questions to people': 0,
    'answers that decided': 0,
    'answers that came second': 0,
    'effects nobody allowed': 0,
  };
  for (const planned of plannedCalls(evidence)) {
    const { message, callId, played, state, row, effects } = planned;
    if (!message.answers || !played || !state) continue;
    const approvals = state.approvals.filter((approval) => approval.call_id === callId);
    const note = (problem: string): void => void violations.push(planned.violation('I11', problem));
    figures['questions to people'] += approvals.length;
    if (approvals.length > 1) note(`it was asked about ${approvals.length} times`);
    const [approval] = approvals;
    if (approval?.status !== 'approved' && effects.length > 0) {
      figures['effects nobody allowed'] += 1;
      note(`it took place and its approval is ${approval?.status ?? 'not there'}`);
    }
    if (!approval) continue;
    const answers = played.answers.filter(({ approvalId }) => approvalId === approval.id);
    const decided = answers.filter(({ acknowledged }) => acknowledged.status === 200);
    figures['answers that decided'] += decided.length;
    figures['answers that came second'] += answers.length - decided.length;
    for (const problem of [...answerProblems(approval, answers), ...tellingProblems(approval, state)])
      note(problem);
    const isUsed = approval.used_by_attempt !== null;
    if (approval.status !== 'approved' && isUsed) note(`its approval is ${approval.status} and used up`);
    if (effects.length > 0 && !isUsed) note('it took place and its approval is not used up');
    if (row && ['succeeded', 'unknown'].includes(row.status) && !isUsed)
      note(`it is ${row.status} and its approval is not used up`);
  }
  return { violations, figures };
};

/** One answer decides, and its decision holds; every other one is told that it does not count. */
function answerProblems(approval: Approval, answers: readonly PlayedAnswer[]): string[] {
  const decided = answers.filter(({ acknowledged }) => acknowledged.status === 200);
  const others = answers.filter(({ acknowledged }) => ![200, 409].includes(acknowledged.status));
  const problems = others.map(({ says, acknowledged }) => `${says} was answered with ${acknowledged.status}`);
  if (decided.length > 1) problems.push(`${decided.length} answers decided it`);
  const wanted = decided[0] ? statusOf[decided[0].says] : 'withdrawn';
  if (approval.status !== wanted) problems.push(`its approval is ${approval.status}, not ${wanted}`);
  return problems;
}

function tellingProblems(approval: Approval, { events }: RunState): string[] {
  const asked = events.filter(
    ({ type, payload }) => type === 'approval-request' && payload.approvalId === approval.id,
  );
  const told = events.flatMap(({ type, payload }) =>
    type === 'approval-response' && payload.approvalId === approval.id ? [payload.outcome] : [],
  );
  return asked.length === 1 && told.length === 1 && told[0] === approval.status
    ? []
    : [`${asked.length} events ask about it and tell of ${told.join(' and ') || 'no answer'}`];
}
