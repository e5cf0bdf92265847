// `perdure config`: every setting as it counts, where it comes from and why it exists. Never a secret.
import { createOutput } from '../../api/cli/terminal/output.ts';
import { standardStreams } from '../../api/cli/terminal/standard-streams.ts';
import { drawTable } from '../../api/cli/terminal/table.ts';
import { describeCommandSurroundings, describeConfig, loadConfig } from './config.ts';

export async function runConfigCommand(args: string[]): Promise<number> {
  const { stdout, stderr } = standardStreams();
  const json = args.includes('--json');
  const config = loadConfig({ flags: args.filter((arg) => arg !== '--json') });
  const described = [...describeConfig(config), describeCommandSurroundings(config)];
  if (json) {
    stdout.write(`${JSON.stringify(described, undefined, 2)}\n`);
    return 0;
  }
  if (!stdout.isTTY) {
    for (const { name, value, source } of described) stdout.write(`${name}\t${value}\t${source}\n`);
    return 0;
  }
  // A list is broken between its parts.
  const rows = described.map(({ name, value, source, why }) => [
    name,
    String(value).replaceAll(',', ', '),
    source,
    why,
  ]);
  const output = createOutput(stdout, stderr, { NO_COLOR: 'yes' });
  output.line(drawTable(output, ['setting', 'value', 'from', 'why'], rows));
  return 0;
}
