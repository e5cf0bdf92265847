// One example of each operation on approvals, for the description of the API.
const at = '2026-02-03T10:15:00.000Z';
const open = {
  id: '0193d5a2-40be-7d55-9c2f-33a1c0ffee01',
  runId: '0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11',
  kind: 'call',
  callId: '3.0',
  ...{ tool: 'shell', effect: 'execute', subject: 'npm publish', input: { command: 'npm publish' } },
  inputHash: '0d5e3cf1d2b7ab8a8fd8c7c1b9d0a3c4e5f60718293a4b5c6d7e8f9001122334',
  text: 'shell npm publish',
  choices: [],
  rule: 'ask-everything: ask anything',
  reason: 'this profile asks about everything',
  status: 'open',
  ...{ createdAt: at, escalateAt: '2026-02-03T22:15:00.000Z', deadlineAt: '2026-02-04T10:15:00.000Z' },
  ...{ decidedBy: null, decidedAt: null, note: null, edited: false },
  remembers: {
    tool: 'shell',
    commands: ['npm publish'],
    decision: 'allow',
    expiresAt: '2026-03-05T10:15:00.000Z',
  },
};
const decided = { ...open, decidedBy: 'first (cli)', decidedAt: '2026-02-03T10:16:00.000Z' };

export const approvalExamples = {
  listApprovals: { answer: { items: [open], nextCursor: null } },
  getApproval: { answer: open },
  approve: {
    body: { note: 'The version is right.', remember: { scope: 'run' } },
    answer: { ...decided, status: 'approved', note: 'The version is right.' },
  },
  deny: {
    body: { note: 'Not before Monday.' },
    answer: { ...decided, status: 'denied', note: 'Not before Monday.' },
  },
  bringResults: {
    body: { results: [{ callId: '3.0', output: 'The order is paid.' }] },
    answer: { items: [{ callId: '3.0' }] },
  },
};
