// Fetches a page or a document from a public address. Names are vetted at the moment of connecting, so an answer
// that changes between check and use gains nothing. No proxy, no cookies, no credentials.
import type { Agent, fetch, Response } from 'undici';
import { z } from 'zod';
import { urlProblem } from '../../workflows/contracts/input-part.ts';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { agentOptions, checkLiteral, type Egress, networkProblem } from '../egress/egress.ts';
import { done, failed } from './answer.ts';
import { textField } from './fields.ts';
import { defineTool, type Tool, type ToolResult } from './tool.ts';

// After unpacking; a longer document is cut.
const maxBodyBytes = 2 * 1024 * 1024;
// Browsers send no longer ones, and servers take none.
const maxUrlBytes = 8000;
const maxRedirects = 5;
// The whole call, redirects and a slow body included.
const callSeconds = 60;

const redirects = [301, 302, 303, 307, 308];

const input = z.strictObject({
  url: textField(maxUrlBytes).refine((value) => urlProblem(value) === undefined, {
    error: (issue) => urlProblem(String(issue.input)) ?? 'is no web address',
  }),
});

export function createFetch(egress: Egress): Tool {
  return defineTool<z.infer<typeof input>>({
    name: 'fetch',
    description:
      'Fetches a web address (http or https, GET) and answers with its status and text. Only public addresses can be ' +
      'reached. A redirect to another host is told, not followed.',
    input,
    effect: 'network',
    repeat: 'safe',
    subject: ({ url }) => new URL(url).hostname,
    timeoutSeconds: () => callSeconds,
    async run({ url }, { signal }) {
      // At the first call: a process that never makes one does without the package.
      const http = await import('undici');
      const agent = new http.Agent(agentOptions(egress));
      try {
        return await follow(http.fetch, new URL(url), egress, agent, signal);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        const problem = networkProblem(error);
        if (problem === undefined) throw error;
        return failed(`Could not fetch ${url}: ${problem}.`);
      } finally {
        await agent.destroy();
      }
    },
  });
}

async function follow(
  request: typeof fetch,
  first: URL,
  egress: Egress,
  agent: Agent,
  signal: AbortSignal,
): Promise<ToolResult> {
  let url = first;
  for (let count = 0; count <= maxRedirects; count += 1) {
    checkLiteral(egress, url.hostname);
    const response = await request(url, {
      dispatcher: agent,
      redirect: 'manual',
      signal,
      headers: { 'user-agent': 'perdure', accept: 'text/*, application/json, */*;q=0.5' },
    });
    const location = response.headers.get('location');
    if (!redirects.includes(response.status) || location === null) return await answerOf(response);
    await response.body?.cancel();
    const target = URL.parse(location, url);
    if (target === null) return failed(`${url.href} redirects to something that is no address.`);
    const targetProblem = urlProblem(target.href);
    if (targetProblem !== undefined)
      return failed(`${url.href} redirects to an address that ${targetProblem}.`);
    // Policy allowed this host; another one is another call.
    if (target.hostname !== first.hostname) {
      return failed(`${url.href} redirects to ${target.href}. Fetch that address if you want it.`);
    }
    url = target;
  }
  return failed(`${first.href} redirects more than ${maxRedirects} times.`);
}

async function answerOf(response: Response): Promise<ToolResult> {
  const type = response.headers.get('content-type') ?? 'text/plain';
  const status = `HTTP ${response.status} ${type}`;
  if (!/^(text\/|application\/(.*\+)?(json|xml|javascript|ecmascript|yaml|x-yaml|toml|x-sh))/i.test(type)) {
    await response.body?.cancel();
    return failed(`${status}\nThis is not text, so it was not read.`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk as Uint8Array);
    size += (chunk as Uint8Array).length;
    if (size > maxBodyBytes) break;
  }
  const text = toStorableOutput(decoderFor(type).decode(Buffer.concat(chunks).subarray(0, maxBodyBytes)));
  const rest = size > maxBodyBytes ? '\n[the document goes on; it was cut here]' : '';
  const output = `${toStorableOutput(status)}\n\n${text}${rest}`;
  return response.ok ? done(output) : failed(output);
}

function decoderFor(type: string): TextDecoder {
  const label = /charset="?([\w-]+)/i.exec(type)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(label);
  } catch (error) {
    // An unknown character set: its ASCII part is still readable.
    if (error instanceof RangeError) return new TextDecoder('latin1');
    throw error;
  }
}
