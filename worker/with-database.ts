// For commands that need the database and no server: that of the configuration, or the embedded one, which is started for
// them when it does not run.
import type { Config } from './config/config.ts';
import { prepareDataFolder } from './data-folder.ts';
import { databaseProblem } from './supervisor/postgres/database-problem.ts';
import { startPostgres } from './supervisor/postgres/postgres.ts';

export async function withDatabase<T>(config: Config, act: (url: string) => Promise<T>): Promise<T> {
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
