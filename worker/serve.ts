// `perdure serve` in front of its supervisor: the lock, the log, the signals and what is printed.
import { openSync } from 'node:fs';
import { standardStreams } from '../api/cli/terminal/standard-streams.ts';
import { createRedactor } from '../activities/store/log/redaction.ts';
import { knownSecrets, loadConfig } from './config/config.ts';
import { createLogging, logCrashes } from './logs/logging.ts';
import { banner } from './supervisor/banner.ts';
import { prepareDataFolder } from './data-folder.ts';
import { lockFolder } from './supervisor/folder-lock.ts';
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

export async function serve(args: string[]): Promise<number> {
  const startedAt = performance.now();
  const config = loadConfig({ flags: args });
  const data = prepareDataFolder(config.dataFolder);
  const lock = lockFolder(data.folder);
  const redactor = createRedactor(knownSecrets(config));
  const fd = openSync(data.logFile('supervisor'), 'a', 0o600);
  const redact = (text: string) => redactor.text(text);
  const logging = createLogging({ service: 'supervisor', level: config.logLevel, redact, fd });
  logCrashes(logging);
  const { stdout } = standardStreams();
  const say = (line: string) => stdout.write(`${redact(line)}\n`);
  const onDatabase = (databaseUrl: string) => {
    for (const secret of knownSecrets({ ...config, databaseUrl })) redactor.learn(secret);
  };
  const supervisor = createSupervisor({ config, data, logger: logging.logger, onDatabase, say });
  const told = Promise.withResolvers<void>();
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
      stdout.write(`${banner({ version, config, data, ...places, tookMs, terminal })}\n`);
    });
    // A start that fails ends the waiting for a signal too.
    await Promise.race([told.promise, started.then(() => told.promise)]);
    return 0;
  } catch (error) {
    logging.logger.error({ err: error }, 'the start failed');
    throw error;
  } finally {
    await supervisor.stop();
    lock.release();
    say('Stopped.');
    logging.flush();
  }
}
