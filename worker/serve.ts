// `perdure serve` in front of its supervisor: the lock, the log, the signals and what is printed.
import path from 'node:path';
import { commandOnPath } from '../activities/host/command-on-path.ts';
import { standardStreams } from '../api/cli/terminal/standard-streams.ts';
import { createRedactor } from '../activities/store/log/redaction.ts';
import { knownSecrets, loadConfig, shellPath } from './config/config.ts';
import { followFile } from './logs/log-file.ts';
import { createLogging, logCrashes } from './logs/logging.ts';
import { banner } from './supervisor/banner.ts';
import { type DataFolder, prepareDataFolder } from './data-folder.ts';
import { type FolderLock, lockFolder } from './supervisor/folder-lock.ts';
import { createSupervisor } from './supervisor/supervisor.ts';
import { version } from './version.ts';

// Behind npm a Ctrl-C arrives twice, from the terminal and from npm; people need longer than this between two.
const onePressMs = 1_000;

function onStopSignals(first: () => void, again: () => void): void {
  let last = Number.NEGATIVE_INFINITY;
  let heard = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const now = performance.now();
      if (now - last < onePressMs) return;
      last = now;
      heard += 1;
      if (heard === 1) first();
      else again();
    });
  }
}

async function takeFolder(folder: string): Promise<{ data: DataFolder; lock: FolderLock }> {
  try {
    const data = prepareDataFolder(folder);
    return { data, lock: lockFolder(data.folder) };
  } catch (error) {
    // Loaded only now: a supervisor that never meets an error needs no packages of the store.
    const { isDiskFull } = await import('../activities/store/db/database.ts');
    if (!isDiskFull(error)) throw error;
    throw new Error(`The disk of ${folder} is full: make room there and start again.`, { cause: error });
  }
}

/** What runs is detached, so a fault in here ends nothing else. */
function lastWords(error: Error, data: DataFolder): string {
  return [
    `perdure: the supervisor ends by a fault of its own: ${error.message}`,
    'What it started goes on, but is not started again when it dies.',
    `Start it again the way you did, and it takes everything over; ${data.logFile('supervisor')} has the details.\n`,
  ].join('\n');
}

export async function serve(args: string[]): Promise<number> {
  const startedAt = performance.now();
  const config = loadConfig({ flags: args });
  const { data, lock } = await takeFolder(config.dataFolder);
  const redactor = createRedactor(knownSecrets(config));
  const redact = (text: string) => redactor.text(text);
  const to = followFile(data.logFile('supervisor'));
  const logging = createLogging({ service: 'supervisor', level: config.logLevel, redact, to });
  const { stdout, stderr } = standardStreams();
  logCrashes(logging, (error) => stderr.write(redact(lastWords(error, data))));
  const say = (line: string) => stdout.write(`${redact(line)}\n`);
  const onDatabase = (databaseUrl: string) => {
    for (const secret of knownSecrets({ ...config, databaseUrl })) redactor.learn(secret);
  };
  const supervisor = createSupervisor({ config, data, lock, logger: logging.logger, onDatabase, say });
  const told = Promise.withResolvers<void>();
  // Node waits neither for a detached child nor for housekeeping: without this timer it would end when only these are
  // left, in the middle of its work.
  const holding = setInterval(() => undefined, 60_000);
  onStopSignals(
    () => {
      say('Stopping; Ctrl-C again stops without waiting.');
      told.resolve();
    },
    () => supervisor.hurry(),
  );
  say(`Perdure ${version} starts in ${data.folder}`);
  try {
    const terminal = stdout.isTTY;
    const started = supervisor.start().then((places) => {
      if (places === undefined) return;
      const tookMs = performance.now() - startedAt;
      // Not through the redactor: this is where the token is handed over.
      stdout.write(
        `${banner({ version, config, data, ...places, command: commandLine(), tookMs, terminal })}\n`,
      );
    });
    // A start that fails ends the waiting for a signal too.
    await Promise.race([told.promise, started.then(() => told.promise)]);
    return 0;
  } catch (error) {
    logging.logger.error({ err: error }, 'the start failed');
    throw error;
  } finally {
    await supervisor.stop();
    clearInterval(holding);
    lock.release();
    say('Stopped.');
    logging.flush();
  }
}

/** How a shell here calls the command line: by its name only where that is this checkout, never some package of that name. */
function commandLine(): string {
  const program = path.join(import.meta.dirname, 'perdure.mjs');
  // npm puts these before the PATH of what it starts, and of nothing else.
  const own = shellPath()
    .split(path.delimiter)
    .filter((each) => !each.endsWith('/node_modules/.bin'));
  if (commandOnPath('perdure', own.join(path.delimiter)) === program) return 'perdure';
  const direct = `node ${/^[\w@%+=,./-]+$/.test(program) ? program : `'${program.replaceAll("'", "'\\''")}'`}`;
  return `${direct}; \`${direct} install-command\` puts perdure on the PATH`;
}
