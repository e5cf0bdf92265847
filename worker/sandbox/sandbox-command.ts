// `perdure sandbox doctor` and `perdure sandbox image build`: what this machine can give runs, and what is missing.
import { createOutput } from '../../api/cli/terminal/output.ts';
import { standardStreams } from '../../api/cli/terminal/standard-streams.ts';
import { drawTable } from '../../api/cli/terminal/table.ts';
import { type Config, loadConfig } from '../config/config.ts';
import { ConfigProblem } from '../config/config-problem.ts';
import { sandboxDrivers } from '../processes/sandboxes.ts';
import { buildImage } from './image.ts';

export async function runSandboxCommand([what = '', ...rest]: string[]): Promise<number> {
  if (what === 'doctor') return doctor(rest);
  if (what === 'image' && rest[0] === 'build') return build(rest.slice(1));
  throw new ConfigProblem('There is: perdure sandbox doctor, and perdure sandbox image build.');
}

/** Of one kind of sandbox. */
interface Finding {
  mode: string;
  usable: boolean;
  reach: string;
  /** What is missing for it, or what it goes without, each with how to get it. */
  lacks: string[];
}

async function doctor(args: string[]): Promise<number> {
  const { stdout, stderr } = standardStreams();
  const config = loadConfig({ flags: args.filter((arg) => arg !== '--json') });
  const findings = await findingsOf(config);
  if (args.includes('--json')) {
    stdout.write(`${JSON.stringify({ sandboxes: findings }, undefined, 2)}\n`);
    return 0;
  }
  if (!stdout.isTTY) {
    for (const { mode, usable, reach, lacks } of findings)
      stdout.write(`${[mode, usable ? 'yes' : 'no', usable ? reach : '', lacks.join(' ')].join('\t')}\n`);
    return 0;
  }
  const rows = findings.map(({ mode, usable, reach, lacks }) => [
    mode,
    usable ? 'yes' : 'no',
    reach,
    lacks.join(' ') || '-',
  ]);
  const output = createOutput(stdout, stderr, { NO_COLOR: 'yes' });
  output.line(drawTable(output, ['sandbox', 'usable', 'what it contains', 'what is missing'], rows));
  return 0;
}

async function findingsOf(config: Config): Promise<Finding[]> {
  return Promise.all(
    sandboxDrivers(config).map(async ({ mode, reach, probe }) => {
      const usable = await probe();
      const lacks = usable.ok ? [...(usable.lacks ?? [])] : [`${usable.why} ${usable.how}`];
      return { mode, usable: usable.ok, reach, lacks };
    }),
  );
}

async function build(args: string[]): Promise<number> {
  const { stdout, stderr } = standardStreams();
  const fromHostDebian = args.includes('--from-host-debian');
  const { sandbox } = loadConfig({ flags: args.filter((arg) => arg !== '--from-host-debian') });
  const digest = await buildImage({
    ...{ engine: sandbox.engine, image: sandbox.image, fromHostDebian },
    say: (line) => void stderr.write(`${line}\n`),
  });
  stdout.write(`The image ${sandbox.image} is ready: ${digest}\n`);
  return 0;
}
