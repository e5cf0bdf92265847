// Finds the server and its token: what was said on the command line, else the environment, else the data folder
// of a `perdure serve`. It never guesses an address.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PublishedProcess } from '../../activities/host/published-processes.ts';

export interface Place {
  url: string;
  token: string | undefined;
}

interface Where {
  url?: string | undefined;
  tokenFile?: string | undefined;
  environment: Record<string, string | undefined>;
  dataFolder: string | undefined;
}

/** What the supervisor writes beside its data for each process that needs it. */
interface ProcessesFile {
  /** Null while the API has not started yet. */
  url: string | null;
  temporalUi: string | null;
  processes: PublishedProcess[];
}

/** Said as it is to the person at the keyboard: what is wrong and what to do. */
export class UsageError extends Error {}
export class NoServer extends Error {}

/** The data folder of the server: named, else where the command is called, else where Perdure is installed. */
export function findDataFolder(environment: Where['environment'], folders: string[]): string | undefined {
  const named = environment.PERDURE_DATA;
  const candidates = named ? [named] : folders.map((folder) => join(folder, '.perdure'));
  return candidates.find((folder) => readProcesses(folder) !== undefined);
}

export function findServer(where: Where): Place {
  const given = where.url ?? (where.environment.PERDURE_URL || undefined);
  const found = where.dataFolder === undefined ? undefined : readProcesses(where.dataFolder);
  const url = given ?? found?.url;
  if (url === null)
    throw new NoServer(`The server in ${where.dataFolder} is still starting; try again in a moment.`);
  if (url === undefined) {
    throw new NoServer(
      'No server found: start one with `npm start` (or `perdure serve`), or name one with --url or PERDURE_URL.',
    );
  }
  const problem = urlProblem(url);
  if (problem !== undefined) throw new UsageError(problem);
  return { url, token: findToken(where, url) };
}

export function readProcesses(dataFolder: string): ProcessesFile | undefined {
  const text = readOptional(join(dataFolder, 'processes.json'));
  if (text === undefined) return undefined;
  try {
    const content = JSON.parse(text) as Partial<ProcessesFile>;
    return {
      url: content.url ?? null,
      temporalUi: content.temporalUi ?? null,
      processes: content.processes ?? [],
    };
  } catch {
    throw new UsageError(
      `${join(dataFolder, 'processes.json')} is not readable JSON; start the server again.`,
    );
  }
}

function findToken(where: Where, url: string): string | undefined {
  if (where.tokenFile !== undefined) {
    const token = readOptional(where.tokenFile);
    if (token === undefined) throw new UsageError(`--token-file: there is no file ${where.tokenFile}.`);
    return checked(token, `--token-file ${where.tokenFile}`);
  }
  if (where.environment.PERDURE_TOKEN) return checked(where.environment.PERDURE_TOKEN, 'PERDURE_TOKEN');
  // The token of the data folder opens the server of this machine; another host has no business seeing it.
  if (where.dataFolder === undefined || !isLoopback(url)) return undefined;
  const file = join(where.dataFolder, 'token');
  const token = readOptional(file);
  return token === undefined ? undefined : checked(token, file);
}

/** What a header cannot hold would look like a server that does not answer. It is not repeated: it may be a secret. */
function checked(text: string, source: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]{1,256}$/.test(token))
    throw new UsageError(`${source} holds no token: a token is one word of letters, digits, - and _.`);
  return token;
}

function urlProblem(url: string): string | undefined {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol))
    return `The server's address must start with http:// or https://, not "${url}".`;
  const { username, password, search, hash } = parsed;
  if (username === '' && password === '' && search === '' && hash === '') return undefined;
  return `The server's address must hold no user, password, ? or #: write ${parsed.origin}, and give the token with --token-file.`;
}

/** On loopback, or the server whose data folder lies here. */
export function isOnThisMachine({ url }: Place, dataFolder: string | undefined): boolean {
  return isLoopback(url) || (dataFolder !== undefined && readProcesses(dataFolder)?.url === url);
}

function isLoopback(url: string): boolean {
  const host = new URL(url).hostname;
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new UsageError(`${path} cannot be read (${code}).`);
  }
}
