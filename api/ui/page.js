// The first page: recent runs, one run live, the demo. Everything shown is set as text, never as markup.

const element = (id) => document.getElementById(id);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
// What could hide, reorder or move text: control and format characters except tab and newline.
const clean = (text) => String(text ?? '').replace(/(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '');
const token = takeToken();
let watched;
let killedAt;

// The link that `npm start` prints carries the token behind `#`, where no server sees it; it leaves the address
// at once and lives as long as this tab.
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given !== null) sessionStorage.setItem('token', given);
  if (location.hash !== '') history.replaceState(null, '', location.pathname);
  return sessionStorage.getItem('token') ?? '';
}

function make(tag, className, ...children) {
  const made = Object.assign(document.createElement(tag), { className });
  made.append(...children.map((child) => (child instanceof Node ? child : clean(child))));
  return made;
}

function say(text) {
  element('notice').hidden = text === '';
  // Said again it would be read aloud again.
  if (element('notice').textContent !== text) element('notice').textContent = text;
}

async function ask(path, options = {}) {
  const headers = { authorization: `Bearer ${token}`, ...options.headers };
  const response = await fetch(`/api/v1${path}`, { ...options, headers });
  if (response.ok) return response;
  if (response.status === 401)
    throw new Error('The token is missing: open the link that "npm start" prints.');
  const problem = await response.json().catch(() => ({}));
  throw new Error(clean(problem.detail ?? `The server answers ${response.status}.`));
}

const get = async (path) => (await ask(path)).json();
const newKey = () => crypto.getRandomValues(new Uint8Array(16)).join('-');
const post = (path) => ask(path, { method: 'POST', headers: { 'idempotency-key': newKey() } });

async function refresh() {
  const [runs, models] = await Promise.all([get('/runs?limit=30'), get('/models')]);
  // Not there unless the server supervises its processes and we are on its machine.
  const none = { items: [], temporalUi: null };
  const { items, temporalUi } = await get('/embedded/processes').catch(() => none);
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

function drawProcess({ name, pid, health }) {
  const item = make('li', '', name);
  item.dataset.state = health;
  item.title = `${health}, pid ${pid ?? 'unknown'}`;
  return item;
}

function drawRun(run) {
  const state = make('span', 'state', `${run.stuck ? 'stuck' : run.status.replace('_', ' ')} · ${run.model}`);
  state.dataset.state = run.status;
  const button = make('button', '', make('span', '', run.prompt.slice(0, 200)), state);
  button.id = `run-${run.id}`;
  button.ariaCurrent = String(run.id === watched?.runId);
  button.addEventListener('click', () => watch(run.id));
  return make('li', '', button);
}

async function watch(runId) {
  // Closes the stream before: a browser opens six connections to one server and no more.
  watched?.abort();
  const mine = Object.assign(new AbortController(), { runId });
  watched = mine;
  element('stream').replaceChildren();
  element('title').textContent = `Run ${runId}`;
  for (const button of document.querySelectorAll('#runs button')) {
    button.ariaCurrent = String(button.id === `run-${runId}`);
  }
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
      if (watched === mine)
        element('facts').textContent = `after event ${last}: ${error.message}; connecting again`;
    }
  }
}

async function* eventsOf(body) {
  let rest = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + chunk).split('\n\n');
    rest = frames.pop();
    for (const data of frames.flatMap((frame) => frame.match(/(?<=^data: ).*/m) ?? []))
      yield JSON.parse(data);
  }
}

function createView() {
  const stream = element('stream');
  const blocks = new Map();
  const calls = new Map();
  function add(act) {
    const atEnd = stream.scrollHeight - stream.scrollTop - stream.clientHeight < 60;
    act();
    if (atEnd) stream.scrollTop = stream.scrollHeight;
  }
  const note = (text, className = 'note') => add(() => stream.append(make('p', className, text)));
  const grow = (node, text) => add(() => node.appendData(clean(text)));
  function write({ step, block, text }, className) {
    const key = `${className} ${step} ${block}`;
    if (!blocks.has(key)) {
      blocks.set(key, new Text());
      const made = make('p', className, blocks.get(key));
      made.dataset.step = step;
      stream.append(made);
    }
    grow(blocks.get(key), text);
  }
  function supersede({ step, reason }) {
    for (const block of stream.querySelectorAll(`[data-step="${Number(step)}"]`))
      block.classList.add('superseded');
    blocks.clear();
    note(`Superseded: what step ${step} said so far (${reason}).`, 'warning');
  }
  function request({ callId, tool, subject, input, decision, reason }) {
    const call = {
      state: make('span', 'state', decision === 'allow' ? 'requested' : `${decision}: ${reason}`),
      output: new Text(),
    };
    const head = make('p', '', make('strong', '', tool), (subject || input).slice(0, 200), call.state);
    calls.set(callId, call);
    add(() => stream.append(make('div', 'call', head, make('pre', '', call.output))));
  }
  function change({ callId, status = 'running', output = '' }) {
    const call = calls.get(callId);
    call.state.textContent = status === 'unknown' ? 'outcome unknown' : clean(status);
    call.state.dataset.state = status;
    if (call.output.length === 0 || status === 'unknown') grow(call.output, output);
  }
  const drawn = {
    'run-queued': ({ prompt, model }) => note(`${model}: ${prompt}`),
    'run-start': ({ scripted }) => scripted && note('The scripted model answers: it follows a script.'),
    'step-start': ({ step }) => note(`Step ${step}`),
    'text-delta': (payload) => write(payload, 'text'),
    'thinking-delta': (payload) => write(payload, 'thinking'),
    'message-reset': supersede,
    'call-request': request,
    'call-start': change,
    'call-delta': ({ callId, text }) => grow(calls.get(callId).output, text),
    'call-end': change,
    'steer-request': ({ by, text }) => note(`${by}: ${text}`, 'text'),
    'attempt-error': ({ unit, reason }) => note(`${unit}: ${reason}`, 'warning'),
    'run-stuck': ({ reason }) => note(`stuck: ${reason}`, 'warning'),
    'run-end': ({ status, steps, costMicros, reasonText }) =>
      note(
        `${status.replace('_', ' ')} · ${steps} steps · $${(costMicros / 1e6).toFixed(4)} · ${reasonText}`,
        'end',
      ),
  };
  return ({ type, payload, at }) => {
    // Output that was under way may be written after the kill; anything else is of the worker that took over.
    if (type !== 'call-delta' && Date.parse(at) > killedAt) {
      note(`Work went on ${((Date.parse(at) - killedAt) / 1000).toFixed(1)} s after the kill.`, 'warning');
      killedAt = undefined;
    }
    if (Object.hasOwn(drawn, type)) drawn[type](payload);
    else if (!/^(text|thinking|message|step)-(start|end)$/.test(type)) note(type);
  };
}

function onClick(id, act) {
  const button = element(id);
  button.addEventListener('click', () => {
    button.disabled = true;
    const again = () => Object.assign(button, { disabled: false });
    void act()
      .catch((error) => say(error.message))
      .then(again);
  });
}
onClick('demo', async () => void watch((await (await post('/embedded/demo')).json()).runId));
onClick('kill', async () => {
  await post('/embedded/processes/worker/kill');
  killedAt = Date.now();
});

// Often enough to see a process die and come back.
for (; ; await pause(1500)) {
  await refresh().catch((error) =>
    say(error instanceof TypeError ? 'No answer; trying again.' : error.message),
  );
}
