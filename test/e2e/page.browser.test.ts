// The first page in a real browser: the demo is started with one button, its worker killed with the other, and
// the run is seen to its end on the page alone.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Browser, type BrowserContext, chromium, type ConsoleMessage, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { portsBrowsersRefuse } from '../../worker/supervisor/ports.ts';
import { findChromium } from '../machine.ts';
import { type Platform, startPlatform } from '../support/platform.ts';

// Everything a browser would look up elsewhere is switched off: the test speaks to this machine alone.
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // A name that somebody else has point to this machine.
  '--host-resolver-rules=MAP evil.example 127.0.0.1',
];

// The name of the file is full of what could hide; the answer is asked for after it.
const scenario = `
steps:
  - calls:
      - { tool: write, input: { path: "a\\u202eb.txt", content: "made\\n" } }
      - { tool: shell, input: { command: "touch denied.txt" } }
  - calls:
      - { tool: ask-person, input: { question: "Which one?", choices: [red, blue] } }
  - text: "Told."
`;

// Playwright's own half a minute is soon over on a loaded machine; this only ends a hang.
const longestMs = 120_000;

let folder: string;
let platform: Platform;
let browser: Browser;

async function newContext(): Promise<BrowserContext> {
  const context = await browser.newContext();
  context.setDefaultTimeout(longestMs);
  return context;
}

const newPage = async (): Promise<Page> => (await newContext()).newPage();

beforeAll(async () => {
  const executablePath = await findChromium();
  if (!executablePath) throw new Error('There is no Chromium on PATH.');
  folder = await mkdtemp(path.join(tmpdir(), 'perdure-page-'));
  await writeFile(path.join(folder, 'asking.yaml'), scenario);
  platform = await startPlatform({ cache: inject('bundles'), environment: { PERDURE_SCENARIOS: folder } });
  browser = await chromium.launch({ executablePath, args: flags, timeout: longestMs });
});

afterAll(async () => {
  await browser?.close();
  await platform?.remove();
  if (folder) await rm(folder, { recursive: true });
});

test('the demo runs from the page, survives the kill of its worker, and every event arrives once', {
  tags: ['faults'],
}, async () => {
  const page = await newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message: ConsoleMessage) => {
    if (message.type() === 'error') complaints.push(message.text());
  });

  await page.goto(`${platform.url}/#token=${platform.token}`);
  await page.locator('#demo').click();
  // The call that is long enough to be killed in the middle says how far it is.
  await page.getByText('2000 carts, every total is right').first().waitFor();
  const before = platform.pid('worker');
  await page.locator('#kill').click();
  await page.getByText('outcome unknown', { exact: false }).first().waitFor();
  await page.locator('#runs').getByText('succeeded').waitFor();

  const [run] = (await platform.client.runs({ limit: 1 })).items;
  const events = await platform.client.runEvents(run?.id ?? '', { limit: 1000 });
  const facts = page
    .locator('#facts')
    .getByText(`${events.items.length} events, none missing`, { exact: false });
  await facts.waitFor();
  expect(platform.pid('worker')).not.toBe(before);
  expect(new URL(page.url()).hash, 'the token leaves the address').toBe('');
  expect(await page.getByRole('link', { name: 'API reference' }).getAttribute('href')).toBe('/docs');
  expect(await page.getByRole('link', { name: 'Temporal' }).getAttribute('href')).toMatch(
    /^http:\/\/127\.0\.0\.1:/,
  );
  expect(complaints).toEqual([]);
});

test('what waits for an answer is answered on the page, and an answer from elsewhere is told there', async () => {
  const project = await mkdtemp(path.join(folder, 'project-'));
  const { client } = platform;
  const run = await client.startRun({
    prompt: 'Ask me about everything.',
    model: 'scripted/asking',
    policy: 'ask-everything',
    attended: true,
    acceptNoContainment: true,
    project: { path: project },
    limits: { costMicros: 2_500_000 },
  });
  const page = await newPage();
  await page.goto(`${platform.url}/#token=${platform.token}`);
  const waiting = page.getByRole('list', { name: 'What waits for an answer' }).getByRole('listitem');

  const write = waiting.filter({ hasText: 'write a\\u{202e}b.txt' });
  await write.getByText('"content":"made\\n"', { exact: false }).waitFor();
  await write.getByText('ask-everything', { exact: false }).waitFor();
  await write.getByText('+made', { exact: true }).waitFor();
  // What was answered is shown for eight seconds: it is looked for from before.
  await Promise.all([
    write.getByText('approved by first (page)').waitFor(),
    write.getByRole('button', { name: 'approve' }).click(),
  ]);

  const touch = waiting.filter({ hasText: 'shell touch denied.txt' });
  await touch.getByRole('combobox', { name: 'Allow it' }).selectOption('in this run');
  const [open] = (await client.approvals({ runId: run.id, status: 'open' })).items;
  await Promise.all([
    touch.getByText('denied by first (api)').waitFor(),
    client.deny(open?.id ?? '', { note: 'Not that one.' }),
  ]);

  const question = waiting.filter({ hasText: 'Which one?' });
  await question.getByRole('textbox').fill('2');
  await Promise.all([
    question.getByText('approved by first (page)').waitFor(),
    question.getByRole('button', { name: 'approve' }).click(),
  ]);
  await page.locator('#runs').getByText('succeeded').first().waitFor();
  await expect.poll(() => waiting.count()).toBe(0);

  const stream = page.locator('#stream');
  await stream.getByText('at most $2.5', { exact: false }).waitFor();
  await stream.getByText('Accepted: no sandbox has to contain this run', { exact: false }).waitFor();
  await stream
    .getByText('denied: 1.1 shell touch denied.txt · Denied by first (api): Not that one.')
    .waitFor();
  await stream.getByText('denied calls: 1', { exact: false }).waitFor();

  expect(await readFile(path.join(project, 'a\u202eb.txt'), 'utf8')).toBe('made\n');
  const calls = (await client.calls(run.id, { limit: 10 })).items;
  expect(calls.map(({ tool, status, output }) => [tool, status, output])).toEqual([
    ['write', 'succeeded', expect.any(String)],
    ['shell', 'denied', 'Denied by first (api): Not that one.'],
    ['ask-person', 'succeeded', 'blue'],
  ]);
});

test("Temporal's page is opened from ours, asks for nothing but its own, and ends a run; other names get nothing", async () => {
  const { client } = platform;
  const run = await client.startRun({
    prompt: 'Ask me about everything.',
    model: 'scripted/asking',
    policy: 'ask-everything',
    attended: true,
    project: { path: await mkdtemp(path.join(folder, 'project-')) },
  });
  const context = await newContext();
  const asked: string[] = [];
  context.on('request', (request) => asked.push(request.url()));
  const page = await context.newPage();
  await page.goto(`${platform.url}/#token=${platform.token}`);
  const opened = context.waitForEvent('page');
  await page.getByRole('link', { name: 'Temporal' }).click();
  const temporal = await opened;
  // The way there, by /temporal, belongs to our page: what follows is asked by Temporal's.
  await temporal.waitForURL(`${platform.url}/temporal/**`);
  await page.close();
  const before = asked.length;
  await temporal.reload();
  await temporal
    .getByRole('link', { name: `run/${run.id}` })
    .first()
    .click();
  await temporal.getByRole('button', { name: 'More Actions' }).click();
  await temporal.getByRole('menuitem', { name: 'Terminate' }).click();
  await temporal.getByRole('dialog').getByRole('button', { name: 'Terminate' }).click();
  await temporal.getByText('Terminated', { exact: true }).first().waitFor();
  expect(asked.slice(before).filter((url) => !url.startsWith(`${platform.url}/temporal/`))).toEqual([]);
  // Neither the page's token nor our cookie is in reach of what it shows.
  const inReach = await temporal.evaluate('[sessionStorage.length, String(opener), document.cookie]');
  expect(inReach).toEqual([0, 'null', expect.stringMatching(/^_csrf=[^;]*$/)]);

  const stranger = await newPage();
  for (const url of [platform.url, `${platform.url}/temporal`]) {
    const answer = await stranger.goto(url.replace('127.0.0.1', 'evil.example'));
    expect([url, answer?.status()]).toEqual([url, 421]);
  }
  // `worker/serve.test.ts` holds what listens to this list.
  for (const port of portsBrowsersRefuse) {
    // A page of its own: the error page of one attempt would interrupt the next.
    const other = await newPage();
    await expect(other.goto(`http://127.0.0.1:${port}/`)).rejects.toThrow('ERR_UNSAFE_PORT');
    await other.close();
  }
});

test('without a login the way to Temporal asks for the token, and says when it is wrong', async () => {
  const page = await newPage();
  await page.goto(`${platform.url}/temporal`);
  expect(page.url()).toBe(`${platform.url}/temporal-login`);
  await page.getByLabel('Token').fill('pdr_wrong');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('That is not a token of this server.').waitFor();
  await page.getByLabel('Token').fill(platform.token);
  await page.getByLabel('Token').press('Enter');
  await page.waitForURL(`${platform.url}/temporal/namespaces/perdure/workflows`);
});

test('without a token the page says what to do', async () => {
  const page = await newPage();
  await page.goto(platform.url);
  await page.getByText('open the link that "npm start" prints').waitFor();
  expect(await page.locator('#demo').isVisible()).toBe(false);
});

test('the API reference is drawn from the document', async () => {
  const page = await newPage();
  await page.goto(`${platform.url}/docs`);
  await page.getByText('/api/v1/runs', { exact: true }).first().waitFor();
});
