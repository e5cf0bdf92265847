// What `npm start` prints: what is where, how to get in, and whether a real model answers.
import { existsSync, readFileSync } from 'node:fs';
import { createColors } from 'picocolors';
import type { Config } from '../config/config.ts';
import { nameOf } from '../machine.ts';
import type { DataFolder } from '../data-folder.ts';

export interface BannerInput {
  version: string;
  config: Config;
  data: DataFolder;
  /** Null: a worker only, of an installation that is elsewhere. */
  url: string | null;
  temporalUi: string | null;
  /** How a shell calls the command line. */
  command: string;
  tookMs: number;
  /** Colours and room; plain lines otherwise. */
  terminal: boolean;
}

function modelLine(config: Config): string {
  const keys = [config.openaiApiKey, config.anthropicApiKey, config.googleApiKey, config.compatibleBaseUrl];
  if (keys.some((key) => key !== undefined)) return `models answer; perdure models lists them`;
  return 'no model key is set, so the scripted model answers; set OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_GENERATIVE_AI_API_KEY or PERDURE_COMPATIBLE_BASE_URL for a real one';
}

function temporalUiLine(
  { config, temporalUi }: BannerInput,
  { cyan }: ReturnType<typeof createColors>,
): string {
  if (temporalUi !== null) return `${cyan(temporalUi)} (log in with the link on the page)`;
  return config.temporalUi === 'off' ? 'off' : 'where your Temporal server has it';
}

function pageRows(
  input: BannerInput,
  url: string,
  color: ReturnType<typeof createColors>,
): [string, string][] {
  const { tokenFile } = input.data;
  const token = existsSync(tokenFile) ? readFileSync(tokenFile, 'utf8').trim() : undefined;
  return [
    ['page', color.cyan(token === undefined ? url : `${url}/#token=${token}`)],
    ['API reference', color.cyan(`${url}/docs`)],
    ['Temporal UI', temporalUiLine(input, color)],
    ['token file', tokenFile],
  ];
}

export function banner(input: BannerInput): string {
  const { config, data, url } = input;
  const color = createColors(input.terminal);
  const logs: [string, string] = ['logs', `${data.folder}/logs`];
  const rows: [string, string][] =
    url === null
      ? [['executor', nameOf(config)], ['capabilities', config.capabilities ?? 'none'], logs]
      : [...pageRows(input, url, color), logs, ['command', input.command], ['model', modelLine(config)]];
  const title = `${color.bold(`Perdure ${input.version}`)} is ready after ${(input.tookMs / 1_000).toFixed(1)} s.`;
  const lines = rows.map(([name, value]) => `  ${color.dim(name.padEnd(14))} ${value}`);
  const close = 'Ctrl-C stops everything in order; nothing accepted is lost however it ends.';
  const gap = input.terminal ? [''] : [];
  return [...gap, title, ...lines, ...gap, color.dim(close), ...gap].join('\n');
}
