// `perdure db up | down | current | history`: migrates the database of the configuration, or the embedded one,
// which is started for it when it does not run.
import { migrateDown, migrateUp, migrationStatus } from '../activities/store/db/migrate.ts';
import type { Config } from './config/config.ts';
import { loadConfig } from './config/config.ts';
import { ConfigProblem } from './config/config-problem.ts';
import { prepareDataFolder } from './data-folder.ts';
import { databaseProblem } from './supervisor/postgres/database-problem.ts';
import { startPostgres } from './supervisor/postgres/postgres.ts';

async function withDatabase<T>(config: Config, act: (url: string) => Promise<T>): Promise<T> {
  if (config.databaseUrl !== undefined) {
    const problem = await databaseProblem(config.databaseUrl);
    if (problem !== undefined) throw new Error(problem);
    return act(config.databaseUrl);
  }
  const data = prepareDataFolder(config.dataFolder);
  const input = {
    folder: data.postgres,
    port: config.postgresPort,
    movable: true,
    logFile: data.logFile('postgres'),
  };
  const server = await startPostgres(input);
  try {
    return await act(server.url);
  } finally {
    // One that was running belongs to a supervisor, which goes on with it.
    if (!server.takenOver) await server.stop();
  }
}

const commands: Record<string, (url: string) => Promise<string[]>> = {
  async up(url) {
    const names = await migrateUp(url);
    return names.length === 0 ? ['The database is up to date.'] : names.map((name) => `up    ${name}`);
  },
  async down(url) {
    const names = await migrateDown(url);
    return names.length === 0
      ? ['There is no migration to take back.']
      : names.map((name) => `down  ${name}`);
  },
  async current(url) {
    const applied = (await migrationStatus(url)).filter(({ appliedAt }) => appliedAt !== null);
    return [applied.at(-1)?.name ?? 'No migration is applied.'];
  },
  async history(url) {
    return (await migrationStatus(url)).map(
      ({ name, appliedAt }) => `${(appliedAt ?? 'not applied').padEnd(24)}  ${name}`,
    );
  },
};

export async function runDbCommand(args: string[]): Promise<number> {
  const [name = '', ...flags] = args;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined)
    throw new ConfigProblem(`perdure db takes one of: ${Object.keys(commands).join(', ')}.`);
  const lines = await withDatabase(loadConfig({ flags }), command);
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}
