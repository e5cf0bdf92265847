// What is typed in a chat is sent in order, whatever becomes of the message before.
import { expect, test } from 'vitest';
import { createOutbox } from '../../../../api/cli/chat/outbox.ts';
import type { Client } from '../../../../api/client/client.ts';

test('an error that nobody expected ends one message, and the next one is sent', async () => {
  const sent: string[] = [];
  const startRun = async ({ prompt }: { prompt: string }) => {
    sent.push(prompt);
    if (prompt === 'one') throw new TypeError('No such thing.');
    return { id: 'run', conversationId: 'conversation', status: 'queued', became: 'run' };
  };
  const outbox = createOutbox({
    client: { startRun } as unknown as Client,
    first: {},
    conversationId: undefined,
    signal: new AbortController().signal,
    active: () => undefined,
    onConversation: () => undefined,
    onAccepted: () => undefined,
    onRefused: () => undefined,
  });
  const results = await Promise.allSettled([outbox.send('one', 'steer'), outbox.send('two', 'steer')]);
  expect([results.map(({ status }) => status), sent]).toEqual([
    ['rejected', 'fulfilled'],
    ['one', 'two'],
  ]);
});
