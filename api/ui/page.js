// The first page: what waits for an answer, recent runs, one run live, the demo. Everything shown is set as text.
import { clean, drawDiff, drawScope, element, exact, make } from './elements.js';

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
// What waited for an answer, by id; null once it is answered.
const asked = new Map();
let watched;
let killedAt;

// The token comes behind `#`, where no server sees it, leaves the address at once and lives as long as this tab.
const address = new URLSearchParams(location.hash.slice(1));
const given = address.get('token');
if (given !== null) sessionStorage.setItem('token', given);
if (location.hash !== '') history.replaceState(null, '', location.pathname);
const token = sessionStorage.getItem('token') ?? '';

function say(text) {
  // A screen reader would read it again.
  if (element('notice').textContent !== text) element('notice').textContent = text;
}
const fail = (error) => say(error instanceof TypeError ? 'No answer; trying again.' : error.message);

async function ask(path, options = {}) {
  const headers = { authorization: `Bearer ${token}`, 'x-perdure-surface': 'page', ...options.headers };
  const response = await fetch(`/api/v1${path}`, { ...options, headers });
  if (response.ok) return response;
  if (response.status === 401) throw new Error('No token: open the link that "npm start" prints.');
  const problem = await response.json().catch(() => ({}));
  const { status } = response;
  const error = new Error(clean(problem.detail ?? `The server answers ${status}.`));
  throw Object.assign(error, { status, floor: problem.floor });
}

const get = async (path) => (await ask(path)).json();
function post(path, body = {}) {
  const key = crypto.getRandomValues(new Uint8Array(16)).join('-');
  const headers = { 'idempotency-key': key, 'content-type': 'application/json' };
  return ask(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

function press(button, act) {
  button.addEventListener('click', async () => {
    button.disabled = true;
    await act().catch(fail);
    button.disabled = false;
  });
  return button;
}

async function refresh() {
  const [runs, models] = await Promise.all([get('/runs?limit=30'), get('/models'), refreshApprovals()]);
  // Not there unless the server supervises its processes and we are on its machine.
  const { items = [], temporalUi = null } = await get('/embedded/processes').catch(() => ({}));
  element('demo').hidden = element('kill').hidden = items.length === 0;
  Object.assign(element('temporal'), { hidden: temporalUi === null, href: temporalUi ?? '' });
  element('processes').replaceChildren(...items.map(drawProcess));
  element('empty').hidden = runs.items.length > 0;
  const focused = document.activeElement.id;
  element('runs').replaceChildren(...runs.items.map(drawRun));
  // Drawn anew, the list must not take the keyboard's place away.
  element(focused)?.focus({ preventScroll: true });
  const model = models.items.find((item) => models.default.startsWith(`${item.provider}/`));
  say(model?.scripted ? 'No model key is set: the scripted model answers. It only follows a script.' : '');
  if (watched === undefined && runs.items.length > 0) void watch(runs.items[0].id);
}

async function refreshApprovals() {
  const { items } = await get('/approvals?status=open&limit=200');
  // No person can answer for a caller's own tool.
  const open = new Map(items.filter(({ kind }) => kind !== 'result').map((item) => [item.id, item]));
  for (const [id, approval] of open) if (!asked.has(id)) drawApproval(approval);
  for (const [id, item] of asked) {
    if (item === null || open.has(id)) continue;
    const { status, decidedBy } = await get(`/approvals/${id}`);
    if (status === 'open') continue;
    asked.set(id, null);
    item.lastChild.replaceChildren(clean(`${status} by ${decidedBy}`));
    // Time to read who did it.
    setTimeout(() => item.remove(), 8000);
  }
}

function drawApproval({ id, runId, kind, limit, input, repairs, text, choices, rule, reason, remembers }) {
  const box = make('input', '');
  // No answer raises an allowance: the text says who can.
  const more = limit && limit.allowance === null;
  box.placeholder = kind === 'question' ? 'Your answer' : more ? 'Dollars more' : 'Why (may be empty)';
  async function decide(verb) {
    // The number of a choice stands for it, as in the terminal.
    const chosen = /^\d+$/.test(box.value) && choices[Number(box.value) - 1];
    const reply =
      kind === 'question'
        ? { answer: chosen || box.value }
        : more
          ? { dollars: Number(box.value) }
          : undefined;
    const says = verb === 'approve' && box.value !== '' && reply;
    const remember = verb === 'approve' && scope.value !== '' ? { scope: scope.value } : undefined;
    const body = says ? { input: reply } : { note: box.value || undefined, remember };
    await post(`/approvals/${id}/${verb}`, body);
  }
  const scope = drawScope(remembers);
  const diff = Object.assign(make('pre', 'diff'), { hidden: true });
  if (kind === 'call')
    void get(`/approvals/${id}`)
      .then(({ change }) => drawDiff(diff, change))
      .catch(fail);
  const ways = ['approve', 'deny'].map((verb) => press(make('button', verb, verb), () => decide(verb)));
  const repaired = repairs.map((each) => `arguments repaired: ${exact(each)}`);
  const given = kind === 'call' ? [exact(JSON.stringify(input)), ...repaired] : [];
  const numbered = choices.map((choice, index) => `${index + 1}. ${choice}`);
  const what = [text, ...numbered, ...given].join('\n');
  const why = make('p', 'quiet', `${rule ?? kind} · ${reason ?? 'asked by the agent'} · run ${runId}`);
  asked.set(id, make('li', '', make('pre', '', what), diff, why, make('p', '', box, scope, ...ways)));
  element('approvals').append(asked.get(id));
}

function drawProcess({ name, pid, health }) {
  return Object.assign(make('li', `state ${health}`, name), { title: `${health}, pid ${pid ?? 'unknown'}` });
}

const dollars = (micros) => `$${micros / 1e6}`;
const spent = (micros, atCeiling) => `${dollars(micros)}${atCeiling ? ' estimated at a ceiling' : ''}`;
/** What it has spent, apart from what its call under way holds. */
const moneyOf = ({ costMicros, ceilingCostMicros, heldCostMicros }) => [
  ...(costMicros > 0 ? [spent(costMicros, ceilingCostMicros > 0)] : []),
  ...(heldCostMicros > 0 ? [`${dollars(heldCostMicros)} held`] : []),
];

function drawRun({ id, prompt, status, stuck, model, ...run }) {
  const state = make('span', `state ${status}`, `${stuck ? 'stuck' : status.replace('_', ' ')} · ${model}`);
  const button = make('button', '', make('span', '', prompt.slice(0, 200)), state);
  const money = moneyOf(run);
  if (money.length > 0) button.append(make('span', 'quiet', money.join(', ')));
  Object.assign(button, { id: `run-${id}`, onclick: () => watch(id) });
  button.ariaCurrent = String(id === watched?.runId);
  return make('li', '', button);
}

async function watch(runId) {
  // Closes the stream before: a browser opens six connections to one server and no more.
  watched?.abort();
  const mine = Object.assign(new AbortController(), { runId });
  watched = mine;
  element('stream').replaceChildren();
  element('title').textContent = `Run ${runId}`;
  void refresh().catch(fail);
  const draw = createView();
  for (let last = 0; watched === mine; await pause(500)) {
    try {
      const response = await ask(`/runs/${runId}/stream?after=${last}`, { signal: mine.signal });
      if (response.status === 204) return;
      for await (const event of eventsOf(response.body)) {
        if (watched !== mine) return;
        if (event.seq <= last) continue;
        if (event.seq !== last + 1) throw new Error(`events before ${event.seq} are missing`);
        last = event.seq;
        draw(event);
        element('facts').textContent = `${last} events, none missing`;
        if (event.type === 'run-end') return;
      }
    } catch (error) {
      if (watched === mine && error.floor > last) {
        last = await drawKept(runId, last, error.floor, draw).catch(() => last);
        continue;
      }
      if (watched === mine) element('facts').textContent = `after ${last}: ${error.message}; trying again`;
    }
  }
}

/** Whole messages and results of events that are folded, up to where the stream is whole. */
async function drawKept(runId, after, floor, draw) {
  for (let cursor = after; cursor !== null; ) {
    const page = await get(`/runs/${runId}/events?kept=true&limit=1000&after=${cursor}`);
    for (const event of page.items) if (event.seq <= floor) draw(event);
    cursor = page.nextCursor !== null && Number(page.nextCursor) < floor ? page.nextCursor : null;
  }
  element('facts').textContent = `events up to ${floor} are folded to whole messages`;
  return floor;
}

async function* eventsOf(body) {
  let rest = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + chunk).split('\n\n');
    rest = frames.pop();
    yield* frames.flatMap((frame) => frame.match(/(?<=^data: ).*/m) ?? []).map((data) => JSON.parse(data));
  }
}

const limitWords = {
  steps: (count) => `${count} steps`,
  seconds: (count) => `${count} s`,
  costMicros: dollars,
  tokens: (count) => `${count} tokens`,
  maxOutputTokens: (count) => `${count} tokens an answer`,
};

/** Where it works, its policy, the limits that were said, and what it has from the run before. */
function goesBy({ policy, project, limits, preset, sources }) {
  const where = project ? `works in ${project.path}` : 'works in an empty scratch folder of its own';
  const said = Object.entries(sources.limits).flatMap(([name, from]) =>
    from === 'instance' ? [] : [limitWords[name](limits[name])],
  );
  const carried = (from) => from === 'conversation' || from === 'run';
  const kept = ['project', 'model', 'policy'].filter((name) => carried(sources[name]));
  if (Object.values(sources.limits).some(carried)) kept.push('limits');
  if (carried(sources.externalTools)) kept.push('the tools of its caller, who must bring their results');
  const before = kept.length > 0 ? [`as in the run before: ${kept.join(', ')}`] : [];
  const limited = said.length > 0 ? [`at most ${said.join(', ')}`] : [];
  const by = preset ? [`preset ${preset.id}`] : [];
  return [where, ...by, policy, ...limited, ...before].join(' · ');
}

/** What the model says and thinks, in blocks that grow. */
function createWords(stream, note) {
  const blocks = new Map();
  function write({ step, block, text }, className) {
    const key = `${step} ${block} ${className}`;
    if (!blocks.has(key)) blocks.set(key, stream.appendChild(make('p', className)));
    blocks.get(key).append(clean(text));
  }
  function whole({ step, text }) {
    // Its pieces were folded into it, or have been drawn.
    if (![...blocks.keys()].some((key) => key.startsWith(`${step} `)))
      write({ step, block: 0, text }, 'text');
  }
  function supersede({ step, reason }) {
    const said = [...blocks].filter(([key]) => key.startsWith(`${step} `));
    // Where the attempt before said nothing, there is nothing to take back.
    if (said.length === 0) return;
    for (const [, block] of said) block.className += ' superseded';
    blocks.clear();
    note(`Superseded: what step ${step} said so far (${reason}).`, 'warning');
  }
  return { write, whole, supersede };
}

/** Tool calls, each with its state and its output. */
function createCalls(stream) {
  const calls = new Map();
  function request({ callId, tool, subject, runs, input, repairs, decision, reason }) {
    const state = make('span', 'state', decision === 'allow' ? 'requested' : `${decision}: ${reason}`);
    const output = make('pre', '');
    const head = make('p', '', make('strong', '', tool), (runs ?? (subject || input)).slice(0, 200), state);
    calls.set(callId, { state, output });
    const repaired = repairs ? [make('p', 'note', `arguments repaired: ${repairs.join('; ')}`)] : [];
    stream.append(make('div', 'call', head, ...repaired, output));
  }
  function change({ callId, status = 'running', output = '' }) {
    const call = calls.get(callId);
    call.state.textContent = status === 'unknown' ? 'outcome unknown' : clean(status);
    call.state.className = `state ${status}`;
    if (call.output.textContent === '' || status === 'unknown') call.output.append(clean(output));
  }
  const tell = ({ callId, text }) => calls.get(callId).output.append(clean(text));
  return { request, change, tell };
}

function createView() {
  const stream = element('stream');
  const note = (text, className = 'note') => stream.append(make('p', className, text));
  const words = createWords(stream, note);
  const calls = createCalls(stream);
  let atCeiling = false;
  const drawn = {
    'run-queued': ({ prompt, model, policy, project, limits, preset, sources, acceptNoContainment }) => {
      note(`${model}: ${prompt}`);
      if (sources) note(goesBy({ policy, project, limits, preset, sources }));
      if (acceptNoContainment)
        note(
          'Accepted: no sandbox has to contain this run, so a shell may reach what its user can.',
          'warning',
        );
    },
    'run-start': ({ scripted }) => scripted && note('The scripted model answers: it follows a script.'),
    'project-record': ({ recorded, files }) =>
      note(`Recording the project: ${recorded.toLocaleString('en')} of ${files.toLocaleString('en')} files.`),
    'checkpoint-error': ({ callId, reason }) =>
      note(`No checkpoint for call ${callId}: ${reason}`, 'warning'),
    'rewind-start': ({ to, by }) =>
      note(`Being brought back to ${typeof to === 'number' ? `checkpoint ${to}` : to} by ${by}.`),
    'rewind-end': ({ outcome, restored, keptCount, problem }) =>
      note(problem ?? `Brought back: ${restored} files (${outcome}); ${keptCount} stay as they are.`),
    'step-start': ({ step }) => note(`Step ${step}`),
    'step-end': ({ priced }) => void (atCeiling ||= !priced),
    'price-unknown': ({ model, ceiling, setting }) =>
      note(
        `The price of ${model} is unknown: what it costs is estimated at a ceiling and is no bill, ` +
          `${dollars(ceiling.inputMicros)} for a million tokens in and ${dollars(ceiling.outputMicros)} out. ` +
          `${setting} gives prices.`,
        'warning',
      ),
    'text-delta': (payload) => words.write(payload, 'text'),
    'thinking-delta': (payload) => words.write(payload, 'thinking'),
    'message-end': words.whole,
    'message-reset': words.supersede,
    'call-request': calls.request,
    'call-start': calls.change,
    'call-delta': calls.tell,
    'call-end': calls.change,
    'approval-request': ({ text }) => note(`waits for an answer: ${exact(text)}`, 'warning'),
    'approval-response': ({ outcome, by }) => note(`${outcome} by ${by}`),
    'steer-request': ({ by, text }) => note(`${by}: ${text}`, 'text'),
    'attempt-error': ({ unit, reason }) => note(`${unit}: ${reason}`, 'warning'),
    'run-stuck': ({ reason }) => note(`stuck: ${reason}`, 'warning'),
    'run-end': ({ status, steps, costMicros, reasonText, deniedCalls }) => {
      for (const { callId, tool, subject, reason } of deniedCalls?.items ?? [])
        note(`denied: ${callId} ${tool} ${subject} · ${reason}`, 'warning');
      const denied = deniedCalls ? ` · denied calls: ${deniedCalls.count}` : '';
      note(`${status} · ${steps} steps · ${spent(costMicros, atCeiling)}${denied} · ${reasonText}`, 'end');
    },
  };
  return ({ type, payload, at }) => {
    // Output that was under way may be written after the kill; anything else is of the worker that took over.
    if (type !== 'call-delta' && Date.parse(at) > killedAt) {
      note(`Work went on ${((Date.parse(at) - killedAt) / 1000).toFixed(1)} s after the kill.`, 'warning');
      killedAt = undefined;
    }
    if (Object.hasOwn(drawn, type)) drawn[type](payload);
    else if (!/^(text|thinking|step)-(start|end)$/.test(type)) note(type);
  };
}

element('temporal').addEventListener('click', (event) => {
  event.preventDefault();
  // Without an opener, so that Temporal's page gets nothing of this one, the token above all.
  const show = (address) => open(address, '_blank', 'noopener,noreferrer');
  // Not found: it is not shown here but has a login of its own.
  post('/temporal-login').then(
    () => show('/temporal'),
    (error) => (error.status === 404 ? show(element('temporal').href) : fail(error)),
  );
});
press(element('demo'), async () => void watch((await (await post('/embedded/demo')).json()).runId));
press(element('kill'), async () => {
  await post('/embedded/processes/worker/kill');
  killedAt = Date.now();
});

// Temporal's UI links to a run in this way.
if (address.has('run')) void watch(address.get('run'));
// Often enough to see a process die and come back.
for (; ; await pause(1500)) await refresh().catch(fail);
