// Ways to have the proxy reach what it must not: addresses of this machine and its network in every spelling although
// they were granted, and hosts that were not.
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { publicEgress } from '../../../activities/egress/egress.ts';
import { openBench, serve, worldWhere } from './proxy-bench.ts';

/** Loopback, each of which leads to this machine where nothing is in the way. */
const loopback = [
  ...['127.0.0.1', '127.1', '127.0.1', '127.255.255.254', '0x7f.1', '0x7f000001', '0X7F.0.0.1'],
  ...['017700000001', '0177.0.0.1', '00000177.1', '2130706433', '0', '0.0.0.0', '0x0'],
  ...['[::1]', '[0:0:0:0:0:0:0:1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::FFFF:127.0.0.1]'],
  ...['localhost', 'LOCALHOST'],
];
/** Of other machines near this one, and forms that carry such an address. */
const others = [
  ...['127.0.0.1.', 'localhost.', '１２７.0.0.1', '127。0。0。1'],
  ...['[::127.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b:1::7f00:1]', '[2002:7f00:1::]', '[2001:0:7f00:1::]'],
  ...['10.0.0.1', '10.255.255.255', '012.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.0.1', '3232235521'],
  ...[
    '100.64.0.1',
    '100.127.255.255',
    '198.18.0.1',
    '192.0.0.192',
    '224.0.0.1',
    '255.255.255.255',
    '240.0.0.1',
  ],
  // Where clouds keep the metadata of a machine.
  ...['169.254.169.254', '0xa9fea9fe', '2852039166', '0251.0376.0251.0376', '169.254.170.2', '168.63.129.16'],
  ...['[::ffff:169.254.169.254]', '[::ffff:a9fe:a9fe]', '[fd00:ec2::254]', '[64:ff9b::a9fe:a9fe]'],
  ...['[2002:a9fe:a9fe::]', '[fe80::1]', '[fec0::1]', '[fc00::1]', '[fdff::1]', '[ff02::1]', '[2001:db8::1]'],
];

describe('what was granted and is not public', () => {
  test('is not connected to in any spelling, by a tunnel or a request', async () => {
    const hits: string[] = [];
    const port = await serve('::', (request, response) => {
      hits.push(request.url ?? '');
      response.end('inside');
    });
    const places = [...loopback, ...others].map((host) => `${host}:${port}`);
    const { send } = await openBench({ egress: publicEgress, granted: places });
    for (const place of places) {
      const text = Buffer.from(place).toString('latin1');
      for (const request of [
        `CONNECT ${text} HTTP/1.1\r\nHost: x\r\n\r\n`,
        `GET http://${text}/ HTTP/1.1\r\nHost: x\r\n\r\n`,
      ]) {
        const answer = await send(request);
        expect([request, answer]).toEqual([
          request,
          // Bytes of a name that are no ASCII are no host for a parser of requests.
          expect.stringMatching(/^HTTP\/1\.1 (403 [^]*is not a public address|400 )/),
        ]);
      }
    }
    expect(hits).toEqual([]);
    // Where nothing is in the way these spellings do lead there.
    for (const host of loopback) {
      const direct = connect({ host: host.replace(/^\[|\]$/g, ''), port });
      await once(direct, 'connect');
      direct.destroy();
    }
    expect(places.length * 2).toBeGreaterThan(100);
  });

  test.each([
    ['loopback', ['127.0.0.2']],
    ['loopback of IPv6', ['::1']],
    ['a mapped address', ['::ffff:127.0.0.1']],
    ['a translated address', ['64:ff9b::7f00:1']],
    ['metadata', ['169.254.169.254']],
    ['several, none of them public', ['10.0.0.1', '192.168.1.1', 'fe80::1']],
    ['an address with a zone', ['fe80::1%lo']],
  ])('is not connected to by a name for %s', async (_what, addresses) => {
    const { send, proxy } = await openBench({ egress: worldWhere(addresses), granted: ['inside.test'] });
    const answers = [
      await send('CONNECT inside.test:443 HTTP/1.1\r\n\r\n'),
      await send('GET http://inside.test/ HTTP/1.1\r\nHost: inside.test\r\n\r\n'),
    ];
    expect(answers.map((answer) => /^HTTP\/1\.1 403[^]*is not a public address/.test(answer))).toEqual([
      true,
      true,
    ]);
    expect(proxy.contacts().map(({ port, connections, refusals }) => [port, connections, refusals])).toEqual([
      [443, 0, 1],
      [80, 0, 1],
    ]);
  });

  test('is not connected to beside a public address of the same name, nor by an answer that changes', async () => {
    const hits: string[] = [];
    const port = await serve('127.0.0.1', (_request, response) => {
      hits.push('public');
      response.end();
    });
    await serve(
      '127.0.0.2',
      (_request, response) => {
        hits.push('private');
        response.end();
      },
      port,
    );
    let asked = 0;
    const changing = worldWhere(['127.0.0.2', '127.0.0.1']);
    const { send } = await openBench({
      egress: {
        ...changing,
        resolve(hostname, done) {
          asked += 1;
          if (asked === 1) changing.resolve(hostname, done);
          else done(null, [{ address: '127.0.0.2', family: 4 }]);
        },
      },
      granted: [`site.test:${port}`],
    });
    const request = `GET http://site.test:${port}/ HTTP/1.1\r\nHost: site.test\r\n\r\n`;
    const answers = [await send(request), await send(request)];
    expect([answers.map((answer) => answer.slice(9, 12)), hits, asked]).toEqual([
      ['200', '403'],
      ['public'],
      2,
    ]);
  });
});

describe('what was not granted', () => {
  const tunnels = [
    ...['evil.test:443', 'site.test.evil.test:443', 'evilsite.test:443', 'a.site.test:443', 'test:443'],
    ...[
      'site.test:22',
      'site.test:25',
      'site.test:8443',
      'site.test:0',
      'site.test:65979',
      'site.test:443443',
    ],
    ...[
      'site.test',
      'site.test:',
      ':443',
      '443',
      '*:443',
      'site.test:443:443',
      'site.test:0x1bb',
      'site.test:+443',
    ],
    ...['http://site.test:443', '//site.test:443', 'site.test:443/', 'site.test:443/x', 'site.test:443?x'],
    ...[
      'site.test@evil.test:443',
      'u:p@site.test:443',
      'evil.test#site.test:443',
      'evil.test\\site.test:443',
    ],
    ...[
      'site%2etest:443',
      'evil.test%00.site.test:443',
      'site.test%20:443',
      '[site.test]:443',
      'site..test:443',
    ],
    // Names and addresses of servers that would answer any question of a resolver.
    ...[
      'dns.google:443',
      'cloudflare-dns.com:443',
      '1.1.1.1:443',
      '8.8.8.8:53',
      '[2606:4700:4700::1111]:443',
    ],
  ];
  const requests = [
    ...[
      'http://evil.test/',
      'http://site.test@evil.test/',
      'http://site.test:80@evil.test/',
      'http://u:p@site.test/',
    ],
    ...['http://evil.test#@site.test/', 'http://evil.test\\@site.test/', 'http://evil.test?@site.test/'],
    ...[
      'http:///site.test/',
      'http:site.test/',
      'http:/site.test/',
      'http://',
      'http://:80/',
      'http://site.test:8080/',
    ],
    ...[
      'https://site.test/',
      'ftp://site.test/',
      'file:///etc/passwd',
      'gopher://site.test/',
      'ws://site.test/',
    ],
    ...[
      'data:text/plain,x',
      'unix:/var/run/docker.sock',
      '/',
      '/http://site.test/',
      '*',
      'site.test',
      '//site.test/',
    ],
    ...[
      'http://site.test:80:80/',
      'http://site.test:/evil',
      'http://[::ffff:site.test]/',
      'http://site.test%2f@evil.test/',
    ],
  ];

  test.each([
    ...tunnels.map((target) => ['CONNECT', target] as const),
    ...requests.map((target) => ['GET', target] as const),
  ])('is refused: %s %s', async (method, target) => {
    const hits: string[] = [];
    const port = await serve('127.0.0.1', (request, response) => {
      hits.push(request.url ?? '');
      response.end();
    });
    // Port 80 and 443 of this world are not listened on: what comes through would be an answer of 502.
    const { send } = await openBench({
      egress: worldWhere(['127.0.0.1']),
      granted: ['site.test', `other.test:${port}`],
    });
    const answer = await send(`${method} ${target} HTTP/1.1\r\nHost: site.test\r\n\r\n`);
    expect([answer.slice(0, 12), hits]).toEqual([expect.stringMatching(/^HTTP\/1\.1 40[03]$/), []]);
  });

  test('is refused as the second request on a connection, and where a redirect leads', async () => {
    const inside: string[] = [];
    const insidePort = await serve('127.0.0.2', (request) => void inside.push(request.url ?? ''));
    const port = await serve('127.0.0.1', (_request, response) =>
      response.writeHead(302, { location: `http://127.0.0.2:${insidePort}/` }).end(),
    );
    const { send, proxy } = await openBench({
      egress: worldWhere(['127.0.0.1']),
      granted: [`site.test:${port}`],
    });
    const first = `GET http://site.test:${port}/ HTTP/1.1\r\nHost: site.test\r\n\r\n`;
    const next = `GET http://127.0.0.2:${insidePort}/ HTTP/1.1\r\nHost: site.test\r\n\r\n`;
    const both = await send(`${first}${next}`);
    const alone = await send(next);
    expect([both.slice(9, 12), alone.slice(9, 12), inside]).toEqual(['302', '403', []]);
    expect(proxy.contacts().map(({ host, connections }) => [host, connections])).toContainEqual([
      '127.0.0.2',
      0,
    ]);
  });
});
