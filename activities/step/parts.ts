// The parts of messages before a model is asked: what is still to be fetched is fetched and kept, what goes into the prompt
// is read. Fetched once: a retry finds it in the rows.
import type { NewEvent } from '../../workflows/contracts/event.ts';
import { mostFileBytes, mostInlineBytes } from '../../workflows/contracts/input-part.ts';
import { isTextType } from '../../workflows/contracts/media-types.ts';
import {
  isPending,
  mostContextBytes,
  type StoredMessage,
  type StoredPart,
} from '../../workflows/contracts/message.ts';
import { toStorable, toStorableOutput } from '../../workflows/contracts/storable.ts';
import type { ActivityDeps } from '../deps.ts';
import { download, type Take } from '../egress/download.ts';
import type { Attached } from '../prompt/attachments.ts';
import { nameContents, noteFiles, setParts } from '../store/runs/parts.ts';
import { lockRun, requireRun, type RunRow, streamFor } from '../store/runs/runs.ts';
import { RunStopped } from '../store/runs/stops.ts';
import { InputMissing } from './input-missing.ts';
import type { ModelCall } from './open.ts';
import { readOfProject } from './project-part.ts';

export function carriesParts(history: readonly StoredMessage[]): boolean {
  return history.some(({ parts }) => parts !== undefined);
}

/**
 * The history with its parts as they are now; of a side question as they are kept, since the run beside it fetches its own.
 * Throws InputMissing when the run may not begin.
 */
export async function readyParts(
  deps: ActivityDeps,
  call: ModelCall,
  history: StoredMessage[],
): Promise<StoredMessage[]> {
  const { run } = call;
  if (run.kind === 'aside') return history;
  const ready: StoredMessage[] = [];
  for (const message of history)
    ready.push(message.parts ? await readyMessage(deps, call, message) : message);
  const hasFiles = ready.some(({ parts = [] }) => parts.some(isPut));
  if (hasFiles && !run.has_files) await noteFiles(deps.log.db, run.id);
  // Its machine reads them out of the rows.
  const put = run.executor === null ? [] : ready.flatMap(({ parts = [] }) => parts.filter(isPut));
  for (const { content = '' } of put) await deps.contents.toRow(run.tenant_id, content);
  return ready;
}

/**
 * The bytes of what is inline, as a model may read them. What one message carries may be more than a request can: refused
 * before any is read.
 */
export async function readAttached(
  { contents, log }: ActivityDeps,
  run: RunRow,
  history: readonly StoredMessage[],
): Promise<Attached> {
  const parts = history
    .flatMap((message) => message.parts ?? [])
    .filter(({ mode, leftOut }) => mode === 'inline' && !leftOut);
  const sum = parts.reduce((bytes, { size = 0 }) => bytes + size, 0);
  if (sum > mostContextBytes)
    throw new InputMissing(
      `What is attached inline to one message has ${sum} bytes, and a request may carry ${mostContextBytes}: attach ` +
        'with mode file, or in several messages.',
    );
  const attached = new Map<string, Buffer>();
  for (const { content, mediaType = '' } of parts) {
    if (content === undefined || attached.has(content)) continue;
    const found = await contents.get(run.tenant_id, content);
    // What people upload is kept as it is.
    if (found) attached.set(content, isTextType(mediaType) ? plainText(log, found.bytes) : found.bytes);
  }
  return attached;
}

/** It is to be put where the run works. */
export function isPut({ type, mode, content }: StoredPart): boolean {
  return mode === 'file' && type !== 'file' && content !== undefined;
}

async function readyMessage(
  deps: ActivityDeps,
  call: ModelCall,
  message: StoredMessage,
): Promise<StoredMessage> {
  let { parts = [] } = message;
  const isOwn = message.runId === call.run.id;
  for (const [index, part] of parts.entries()) {
    if (!isPending(part)) continue;
    const had = await have(deps, call, part);
    // The model call that follows sees that the run was stopped.
    if (had === undefined) break;
    parts = parts.with(index, had);
    // Another run's may be at work, and is for it to fetch: it would end with a problem that it never met.
    if (isOwn || had.problem === undefined) await keep(deps, call, message, { parts, had });
  }
  const missing = parts.find(({ problem }) => problem !== undefined);
  if (missing && isOwn && message.step === 0)
    throw new InputMissing(`${missing.from ?? missing.name} cannot be had: ${missing.problem}`);
  return { ...message, parts };
}

/** The part with its bytes kept, or with its problem; undefined when the run was stopped meanwhile. */
async function have(deps: ActivityDeps, call: ModelCall, part: StoredPart): Promise<StoredPart | undefined> {
  const { signal } = call.attempt;
  const most = part.mode === 'inline' ? mostInlineBytes : mostFileBytes;
  try {
    const take: Take<StoredPart> = async (mediaType, body) => {
      const taken = await deps.contents.take(call.run.tenant_id, mediaType, body, most);
      if (taken === undefined) return { ...part, problem: `It has more than ${most} bytes.` };
      return { ...part, mediaType, content: taken.key, size: taken.size };
    };
    const from = part.from ?? '';
    const fetched =
      part.type === 'url'
        ? await download(deps.egress, from, signal, take)
        : await readOfProject(deps, call.run, { path: from, most, take });
    if ('problem' in fetched) return { ...part, problem: toStorable(deps.log.redact(fetched.problem)) };
    return await withoutSecrets(deps, call.run, fetched.taken);
  } catch (error) {
    if (!signal.aborted) throw error;
    if (signal.reason instanceof RunStopped) return undefined;
    throw signal.reason;
  }
}

/** What a model reads as text is redacted as what tools read. */
async function withoutSecrets(
  { contents, log }: ActivityDeps,
  { tenant_id: tenantId }: RunRow,
  part: StoredPart,
): Promise<StoredPart> {
  const { mode, content = '', mediaType = '' } = part;
  if (mode !== 'inline' || content === '' || !isTextType(mediaType)) return part;
  const found = await contents.get(tenantId, content);
  const bytes = plainText(log, found?.bytes ?? Buffer.alloc(0));
  return { ...part, content: await contents.put(tenantId, mediaType, bytes), size: bytes.length };
}

function plainText(log: ActivityDeps['log'], bytes: Buffer): Buffer {
  return Buffer.from(log.redact(toStorableOutput(bytes.toString())));
}

async function keep(
  { log }: ActivityDeps,
  { run, step, attempt }: ModelCall,
  { runId, step: toldAt, position }: StoredMessage,
  { parts, had }: { parts: StoredPart[]; had: StoredPart },
): Promise<void> {
  const { name, from, mode, mediaType, size, problem } = had;
  const event: NewEvent = {
    type: 'part-end',
    payload: {
      ...{ step, name, from: from ?? null, mode },
      ...{ mediaType: mediaType ?? null, size: size ?? null, problem: problem ?? null },
    },
  };
  await log.write('keep-part', async (write) => {
    requireRun(await lockRun(write, run.tenant_id, run.id), run.id);
    await setParts(write.tx, { runId, step: toldAt, position }, parts);
    await nameContents(write.tx, { id: runId, tenant_id: run.tenant_id }, [had]);
    write.append({ ...streamFor(run), events: [event], fence: attempt.ref });
  });
}
