import { expect, test } from 'vitest';
import { hiddenCharacters } from '../../../workflows/contracts/hidden-characters.ts';
import { createTestApp } from '../../support/test-app.ts';

interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  requestBody?: { content: Record<string, { example?: unknown }> };
  responses: Record<string, { content?: Record<string, { example?: unknown }> }>;
}

async function operations() {
  const api = await createTestApp({
    embedded: {
      processes: async () => ({ embedded: true, items: [], temporalUi: null }),
      kill: async () => {},
      copyDemo: async () => Promise.reject(new Error('nobody starts it here')),
    },
  });
  const document = (await api.app.inject({ url: '/api/openapi.json' })).json();
  const all = Object.values(document.paths as Record<string, Record<string, Operation>>).flatMap((item) =>
    Object.values(item),
  );
  return { api, document, all };
}

test('the description names every operation, its errors and an example of what it takes and gives', async () => {
  const { document, all } = await operations();
  expect([document.openapi, document.security]).toEqual(['3.1.0', [{ token: [] }]]);
  expect(all.length).toBeGreaterThan(20);
  for (const operation of all) {
    const { operationId } = operation;
    expect(operation, operationId).toMatchObject({
      operationId: expect.any(String),
      tags: [expect.any(String)],
      summary: expect.any(String),
    });
    const body = operation.requestBody?.content['application/json'];
    if (body) expect(body.example, `body of ${operationId}`).toBeDefined();
    for (const status of ['200', '202']) {
      const json = operation.responses[status]?.content?.['application/json'];
      if (json) expect(json.example, `answer of ${operationId}`).toBeDefined();
    }
    if (!operationId.startsWith('getHealth') && !operationId.startsWith('getReadiness')) {
      expect(Object.keys(operation.responses), operationId).toEqual(expect.arrayContaining(['4XX', '5XX']));
    }
  }
});

test('every reference in the description leads somewhere', async () => {
  const { document } = await operations();
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
  expect(references.length).toBeGreaterThan(20);
  const known = Object.keys(document.components.schemas);
  expect(references.map(([, name]) => name).filter((name) => !known.includes(name ?? ''))).toEqual([]);
});

test('the reference and the page are open, and run scripts of our own only', async () => {
  const { api } = await operations();
  const docs = await api.app.inject({ url: '/docs' });
  const page = await api.app.inject({ url: '/' });
  expect([docs.statusCode, page.statusCode]).toEqual([200, 200]);
  expect(page.body).toContain('Perdure');
  for (const answer of [docs, page]) {
    const policy = String(answer.headers['content-security-policy']);
    expect(policy).toContain('default-src');
    expect(policy).not.toMatch(/script-src[^;]*'unsafe-inline'/);
  }
});

test('the page takes the same characters for hidden as the command line', async () => {
  const { api } = await operations();
  const { body, headers } = await api.app.inject({ url: '/hidden-characters.js' });
  expect(headers['content-type']).toMatch(/^text\/javascript/);
  expect(body).toBe(`globalThis.hiddenCharacters = ${hiddenCharacters};\n`);
});

test('no path leads out of the folder of the page', async () => {
  const { api } = await operations();
  for (const url of [
    '/../package.json',
    '/..%2fpackage.json',
    '/%2e%2e/package.json',
    '/page.ts',
    '/index.html',
  ]) {
    expect((await api.app.inject({ url })).statusCode, url).toBe(404);
  }
  for (const url of ['/docs/static/..%2f..%2fpackage.json', '/docs/static/%2e%2e/%2e%2e/package.json']) {
    expect((await api.app.inject({ url })).statusCode, url).not.toBe(200);
  }
});
