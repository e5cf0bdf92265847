// `perdure db up | down | current | history`: migrates the database of the configuration, or the embedded one,
// which is started for it when it does not run.
import { standardStreams } from '../api/cli/terminal/standard-streams.ts';
import { migrateDown, migrateUp, migrationStatus } from '../activities/store/db/migrate.ts';
import { loadConfig } from './config/config.ts';
import { ConfigProblem } from './config/config-problem.ts';
import { withDatabase } from './with-database.ts';

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
  standardStreams().stdout.write(`${lines.join('\n')}\n`);
  return 0;
}
