// What endpoints of others, and names that lie, can do to who posts to them.
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { publicEgress } from '../../../activities/egress/egress.ts';
import { createWebhookSender } from '../../../activities/egress/send-webhook.ts';

const secrets = [`whsec_${'a'.repeat(40)}`];
const message = { id: 'one', body: '{}' };

async function listen(answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test.each([
  [200, null],
  [500, `It answered 500: ${'x'.repeat(200)}`],
])('an answer %i without an end is read to its first words', async (status, problem) => {
  let [pieces, left] = [0, 0];
  const port = await listen((_request, response) => {
    response.writeHead(status);
    const more = (): void => {
      pieces += 1;
      if (response.write('x'.repeat(64 * 1024))) setImmediate(more);
      else response.once('drain', more);
    };
    more();
    response.once('close', () => {
      left += 1;
    });
  });
  const sender = createWebhookSender(publicEgress, ['127.0.0.1']);
  const answered = await sender.send({ url: `http://127.0.0.1:${port}/`, secrets }, message);
  expect(answered).toEqual({ status, ms: expect.any(Number), problem });
  // What the buffers on its way hold; until it would be cut off it would be gigabytes.
  expect((pieces * 64) / 1024).toBeLessThan(100);
  await expect.poll(() => left).toBe(1);
});

test.each(['before', 'while its name is looked up', 'while it is waited for'])(
  'what is called off %s ends with the reason for that',
  async (when) => {
    const calledOff = new AbortController();
    const reason = new Error('The worker stops.');
    const callOff = (): void => calledOff.abort(reason);
    const port = await listen(callOff);
    const sender = createWebhookSender({ resolve: callOff, addressProblem: () => undefined });
    if (when === 'before') callOff();
    const host = when === 'while it is waited for' ? '127.0.0.1' : 'hooks.example.org';
    const sent = sender.send({ url: `http://${host}:${port}/`, secrets }, message, calledOff.signal);
    await expect(sent).rejects.toBe(reason);
  },
);

test('a name is vetted when it is connected to: what it stood for when it was named does not count', async () => {
  let got = 0;
  const port = await listen((_request, response) => {
    got += 1;
    response.writeHead(204, { connection: 'close' }).end();
  });
  const addresses = ['127.0.0.1', '127.0.0.2', '::ffff:127.0.0.1', '169.254.169.254'];
  const sender = createWebhookSender({
    resolve: (_name, done) => done(null, [{ address: addresses.shift() ?? '', family: 4 }]),
    // As if the first were the public one.
    addressProblem: (address) => (address === '127.0.0.1' ? undefined : publicEgress.addressProblem(address)),
  });
  const url = `http://hooks.example.org:${port}/`;
  const problems: (string | null)[] = [];
  for (let times = 0; times < 4; times += 1)
    problems.push((await sender.send({ url, secrets }, message)).problem);
  const refused = (address: string): string =>
    `It was not reached: ${address} is not a public address; only public addresses can be reached.`;
  expect([problems, got]).toEqual([
    [null, refused('127.0.0.2'), refused('::ffff:127.0.0.1'), refused('169.254.169.254')],
    1,
  ]);
});

test.each([
  ['http://10.0.0.7/', ['10.0.0.7:80'], true],
  ['https://10.0.0.7/', ['10.0.0.7:80'], false],
  ['https://10.0.0.7/', ['hooks.internal', '10.0.0.7:443'], true],
  ['http://10.0.0.7:8080/', ['10.0.0.7'], true],
  ['http://0x0a000007/', ['10.0.0.7'], true],
  ['http://10.0.0.8/', ['10.0.0.7'], false],
  ['http://[fd00::7]:80/', ['[fd00:0:0::7]:80'], true],
  ['http://LOCALHOST./', ['localhost'], true],
  ['http://localhost./', [], false],
  ['http://a.localhost:9000/', ['localhost:9000'], false],
])('%s, where %j may be reached though private: %s', (url, hosts, reached) => {
  expect(createWebhookSender(publicEgress, hosts).problemOf(url) === undefined).toBe(reached);
});
