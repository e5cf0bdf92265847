// The first page in a real browser: the demo is started with one button, its worker killed with the other, and
// the run is seen to its end on the page alone.
import { type Browser, chromium, type ConsoleMessage } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
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
];

let platform: Platform;
let browser: Browser;

beforeAll(async () => {
  const executablePath = await findChromium();
  if (!executablePath) throw new Error('There is no Chromium on PATH.');
  platform = await startPlatform({ cache: inject('bundles') });
  browser = await chromium.launch({ executablePath, args: flags });
});

afterAll(async () => {
  await browser?.close();
  await platform?.remove();
});

test('the demo runs from the page, survives the kill of its worker, and every event arrives once', async () => {
  const page = await browser.newPage();
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

test('without a token the page says what to do', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(platform.url);
  await page.getByText('open the link that "npm start" prints').waitFor();
  expect(await page.locator('#demo').isVisible()).toBe(false);
});

test('the API reference is drawn from the document', async () => {
  const page = await browser.newPage();
  await page.goto(`${platform.url}/docs`);
  await page.getByText('/api/v1/runs', { exact: true }).first().waitFor();
});
