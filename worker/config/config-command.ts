// `perdure config`: every setting as it counts, where it comes from and why it exists. Never a secret.
import Table from 'cli-table3';
import { standardStreams } from '../../api/cli/terminal/standard-streams.ts';
import { describeCommandSurroundings, describeConfig, loadConfig } from './config.ts';

export async function runConfigCommand(args: string[]): Promise<number> {
  const { stdout } = standardStreams();
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
  const table = new Table({ head: ['setting', 'value', 'from', 'why'], style: { head: [], border: [] } });
  for (const { name, value, source, why } of described) table.push([name, value, source, why]);
  stdout.write(`${table.toString()}\n`);
  return 0;
}
