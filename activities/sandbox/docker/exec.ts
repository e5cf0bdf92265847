// Runs one command in a container. It acts once its handle is recorded, lives no longer than this worker holds its
// input open, and this returns only when nothing of it is left.
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { asEnded, leftIn, noted, wasShortOfMemory } from '../group/ending.ts';
import { marksFor } from '../group/process-group.ts';
import { type ExecOptions, type ExecResult, SandboxRefusal } from '../sandbox.ts';
import { remove } from './container.ts';
import { EngineAway, NotStarted, statusOf, whenBack } from './engine.ts';
import { createReport, type Report } from './frames.ts';
import { type ContainerHandle, endCommand, exitCodeOf } from './handles.ts';
import { toGo } from './inner.ts';
import { drainMs, graceMs, launch, type Launcher, type Surroundings } from './launch.ts';

// All of it, its container if need be, is gone within two seconds of its abort: what is killed is gone after some ten
// milliseconds, and removing a container takes half a second.
const beyondGraceMs = 300;
// MAX_ARG_STRLEN, less its end.
const longestCommand = 131_071;

/** What a command has beside what all of its sandbox have. */
export interface OfCommand {
  variables: Record<string, string>;
  /** What starts the forwarder. */
  forwarder: readonly string[];
  /** Told when its shell is there: what resolves when that is gone. */
  onListen?(closed: Promise<void>): void;
}

/**
 * `launcher`: one that waits in that container; left out, one is started. Rejects with `NotStarted` while nothing of the
 * command was run.
 */
export async function runCommand(
  given: Surroundings,
  options: ExecOptions,
  { variables, forwarder, onListen = () => {} }: OfCommand,
  launcher?: Launcher,
): Promise<ExecResult> {
  options.signal.throwIfAborted();
  // Linux takes no longer word.
  if (Buffer.byteLength(options.command) > longestCommand)
    throw new SandboxRefusal('the command is too long; write it to a file and run that');
  const { exec, stream, token, isGone, listen } = launcher ?? (await launch(given, options.signal));
  const handle: ContainerHandle = {
    kind: given.kind,
    engine: given.engineId,
    container: given.container.id,
    exec: exec.id,
    mark: token,
    call: options.key,
    digest: given.digest,
  };
  const mark = randomBytes(16).toString('hex');
  const report = createReport(mark, (bytes) => options.onOutput('stderr', bytes));
  const output = createReport(mark, (bytes) => options.onOutput('stdout', bytes));
  const whole = Promise.withResolvers<void>();
  const closed = listen((from, bytes) => {
    (from === 'stderr' ? report : output).take(bytes);
    if (report.text() !== undefined && output.text() !== undefined) whole.resolve();
  }).then(() => {
    report.end();
    output.end();
  });
  onListen(closed);
  // The engine takes a while to see that the script has ended, behind whose last word nothing of the command is left.
  const told = Promise.race([whole.promise, closed]);
  try {
    await options.onStart(handle);
    options.signal.throwIfAborted();
    if (isGone()) throw new NotStarted('the Docker engine lost its shell');
  } catch (error) {
    // Without its line it never acts.
    stream.end();
    await Promise.race([closed, sleep(drainMs, undefined, { ref: false })]);
    stream.destroy();
    throw error;
  }
  const { command, key, judged } = options;
  const ofCall = { ...variables, ...marksFor(token, key) };
  stream.write(
    toGo(mark, { kind: judged === true ? 'judged' : 'any', variables: ofCall, forwarder, command }),
  );
  const ended = await settled(stream, told, report, options.signal);
  // One that the engine does not close.
  setTimeout(() => stream.destroy(), drainMs).unref();
  const text = report.text();
  let away: string | undefined;
  if (text === undefined) {
    await closed;
    away = await endLost(given, handle, ended);
  }
  options.signal.throwIfAborted();
  if (away !== undefined) return { exitCode: null, signal: null, note: away };
  return text === undefined ? outcomeOf(given, exec) : resultOf(text, given);
}

/** Until all of its output is there, or the time after its abort is up: `late`. */
async function settled(
  stream: Duplex,
  told: Promise<void>,
  report: Report,
  signal: AbortSignal,
): Promise<'in-time' | 'late'> {
  const over = new AbortController();
  let isLate = false;
  const destroyAfter = (ms: number): void => {
    sleep(ms, undefined, { signal: over.signal, ref: false }).then(
      () => {
        isLate = true;
        stream.destroy();
      },
      () => {},
    );
  };
  const onAbort = (): void => {
    // The end of its input is what the script in the container waits for.
    stream.end();
    destroyAfter(graceMs + beyondGraceMs);
  };
  let isTold = false;
  const onData = (): void => {
    if (isTold || report.text() === undefined) return;
    isTold = true;
    destroyAfter(drainMs);
  };
  stream.on('data', onData);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await told;
    return isLate ? 'late' : 'in-time';
  } finally {
    over.abort();
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Of a command that made no report: what of it may still live is ended, as soon as the engine answers. One that is late
 * has not let the script in its container end it, and goes with the container where that is ours. Answers in words that it
 * could do neither.
 */
async function endLost(
  { whose, engine, container }: Surroundings,
  handle: ContainerHandle,
  ended: 'in-time' | 'late',
): Promise<string | undefined> {
  try {
    await whenBack(engine, never, async (docker) => {
      const same = docker.getContainer(container.id);
      await (ended === 'late' && whose === 'ours' ? remove(same) : endCommand(docker, same, handle, whose));
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof EngineAway)) throw error;
    return `${error.message}; how far it came is not known, and it may still be running`;
  }
}

const never = new AbortController().signal;

const lost =
  'the Docker engine was restarted or lost it while it ran, and it was ended; how far it came is not known';

/** The engine knows how it ended, unless it was restarted since. */
async function outcomeOf({ engine }: Surroundings, { id }: Docker.Exec): Promise<ExecResult> {
  const exitCode = await whenBack(engine, never, (docker) =>
    exitCodeOf(docker.getExec(id)).catch((error: unknown) => {
      if (statusOf(error) === undefined) throw error;
    }),
  );
  const ended = asEnded({ exitCode: exitCode ?? null, signal: null });
  // Only a signal keeps the script from its report.
  return ended.signal === null ? { exitCode: null, signal: null, note: lost } : ended;
}

function resultOf(report: string, { directory }: Surroundings): ExecResult {
  if (report.startsWith('moved'))
    throw new NotStarted(`folders of ${directory} were moved since the sandbox was made`);
  if (report.startsWith('unconnected'))
    throw new SandboxRefusal(
      'the command’s way into the network could not be opened: the image of the sandbox needs the program node',
    );
  if (report.startsWith('no-bash'))
    throw new SandboxRefusal(
      'the command was allowed as bash reads it, and the image of the sandbox has no bash; a person has to add it',
    );
  const number = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(report)?.[1] ?? 0);
  const ended = asEnded({ exitCode: number('exit'), signal: null });
  const forks = number('forks') > 0 && 'the sandbox came to its limit of processes: start fewer at once';
  return { ...ended, ...noted(number('oom') > 0 && wasShortOfMemory, forks, leftIn(report)) };
}
