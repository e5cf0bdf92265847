// Time that goes on only while this process runs: a machine that stands still does not look like a silent server.
import { fetch } from 'undici';
import { vi } from 'vitest';
import { createRawServer, refuses } from './raw-server.ts';

export async function inRunningTime<Result>(act: () => Promise<Result>): Promise<Result> {
  // undici keeps its first timer for as long as the process lives: it must be a real one.
  const server = await createRawServer(refuses(200, {}));
  await (await fetch(server.url)).text();
  await server.close();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'], shouldAdvanceTime: true });
  try {
    return await act();
  } finally {
    vi.useRealTimers();
  }
}
