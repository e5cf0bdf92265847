// Sandboxes: `true` and 10 MB of output, in a container through the driver against a bare exec of the engine in the same
// container, and in bubblewrap against a bare `bash -c`. A kind that this machine lacks is left out, and said.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import Docker from 'dockerode';
import { createBubblewrap } from '../../activities/sandbox/bubblewrap/bubblewrap.ts';
import { createDocker } from '../../activities/sandbox/docker/docker.ts';
import type { SandboxDriver } from '../../activities/sandbox/sandbox.ts';
import type { SandboxNeeds } from '../../activities/sandbox/index.ts';
import { openInFolder } from '../activities/sandbox/opened.ts';
import {
  measurePairs,
  percentile,
  ratiosOf,
  report,
  settings,
  type Side,
  type Verdict,
} from './harness/pairs.ts';

const programs = '/usr/local/bin:/usr/bin:/bin';
const megabytes = 10;
const outputCommand = `head -c ${megabytes}M /dev/zero`;

/** Runs a command to its end; resolves with the bytes of its output. */
type Runs = (command: string) => Promise<number>;

function sideOf(name: string, command: string, expected: number, runs: Runs): Side {
  return {
    name,
    async measure(seconds) {
      const end = Date.now() + seconds * 1000;
      const times: number[] = [];
      do {
        const begun = performance.now();
        const bytes = await runs(command);
        times.push(performance.now() - begun);
        if (bytes !== expected) throw new Error(`${name} gave ${bytes} bytes of ${expected}.`);
      } while (Date.now() < end);
      return { units: times.length, figures: { ms: percentile(times, 0.5), p99: percentile(times, 0.99) } };
    },
  };
}

/** As short as the engine's client can say it. */
function bareExec(container: Docker.Container): Runs {
  return async (command) => {
    const exec = await container.exec({
      Cmd: ['bash', '-c', command],
      AttachStdout: true,
      AttachStderr: true,
    });
    const stream: Duplex = await exec.start({});
    let bytes = 0;
    // Each piece of output comes behind a header of eight bytes, which is all that is read of it here.
    let [left, head] = [0, Buffer.alloc(0)];
    stream.on('data', (piece: Buffer) => {
      for (let at = 0; at < piece.length; ) {
        const taken = Math.min(left || 8 - head.length, piece.length - at);
        if (left > 0) {
          left -= taken;
          bytes += taken;
        } else {
          head = Buffer.concat([head, piece.subarray(at, at + taken)]);
          if (head.length === 8) [left, head] = [head.readUInt32BE(4), Buffer.alloc(0)];
        }
        at += taken;
      }
    });
    await once(stream, 'end');
    const { ExitCode } = await exec.inspect();
    if (ExitCode !== 0) throw new Error(`The bare exec ended with ${ExitCode}.`);
    return bytes;
  };
}

const bareShell: Runs = async (command) => {
  const child = spawn('/bin/bash', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] });
  let bytes = 0;
  child.stdout.on('data', (piece: Buffer) => (bytes += piece.length));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`bash ended with ${code}.`);
  return bytes;
};

async function containerOf(needs: SandboxNeeds): Promise<Docker.Container> {
  const docker = new Docker({ socketPath: needs.docker.address.replace(/^unix:\/\//, '') });
  const filters = JSON.stringify({ label: [`perdure.instance=${needs.docker.instance}`] });
  const [found] = await docker.listContainers({ filters });
  if (found === undefined) throw new Error('The container of the sandbox is not there.');
  return docker.getContainer(found.Id);
}

interface Kind {
  name: string;
  create(needs: SandboxNeeds): SandboxDriver;
  floor: { name: string; of(needs: SandboxNeeds): Promise<Runs> };
  true: { ratio: [number, number]; added: [number, number] };
  output: [number, number];
}

const kinds: Kind[] = [
  {
    name: 'container',
    create: createDocker,
    floor: { name: 'bare exec', of: async (needs) => bareExec(await containerOf(needs)) },
    // Beside the exec: a look at the container and at the tree, the shell that ends what is left, and its looks.
    true: { ratio: [1.3, 2.5], added: [10, 120] },
    output: [1.3, 2.5],
  },
  {
    name: 'bubblewrap',
    create: createBubblewrap,
    floor: { name: 'bare bash', of: async () => bareShell },
    // Namespaces and mounts against a fork of two milliseconds: the ratio says little, the added time counts.
    true: { ratio: [15, 40], added: [30, 200] },
    output: [4, 12],
  },
];

const checks: Verdict['checks'] = [];
const figures: Verdict['figures'] = {};
for (const kind of kinds) await measureKind(kind);
if (checks.length > 0) report({ name: 'sandbox', checks, figures });

async function measureKind(kind: Kind): Promise<void> {
  const opened = await openInFolder(kind.create, () => ({ programs, gitBounds: async () => ({}) }));
  try {
    const usable = await opened.driver.probe();
    if (!usable.ok) {
      process.stderr.write(`sandbox: ${kind.name} is left out. ${usable.why} ${usable.how}\n`);
      return;
    }
    const ours: Runs = async (command) => {
      let bytes = 0;
      const { exitCode } = await opened.sandbox.exec({
        command,
        key: 'run/1.0',
        signal: new AbortController().signal,
        onStart: async () => {},
        onOutput: (from, piece) => (bytes += from === 'stdout' ? piece.length : 0),
      });
      if (exitCode !== 0) throw new Error(`The command ended with ${exitCode} in ${kind.name}.`);
      return bytes;
    };
    const begun = performance.now();
    await ours('true');
    const firstMs = performance.now() - begun;
    const floor = await kind.floor.of(opened.needs);
    const pairs = async (name: string, command: string, expected: number) =>
      measurePairs({
        name: `${kind.name}, ${name}`,
        floor: sideOf(kind.floor.name, command, expected, floor),
        ours: sideOf(kind.name, command, expected, ours),
        settings: settings(),
      });
    const short = await pairs('true', 'true', 0);
    const long = await pairs(`${megabytes} MB`, outputCommand, megabytes * 2 ** 20);
    const msOf = ({ figures: of }: { figures?: Record<string, number> }) => of?.['ms'] ?? Number.NaN;
    const times = { true: ratiosOf(short, msOf), output: ratiosOf(long, msOf) };
    const added = short.ours.map((stretch, at) => msOf(stretch) - msOf(short.floor[at] ?? {}));
    const check = (what: string, value: number, [target, mustReach]: [number, number]): void =>
      void checks.push({ what: `${kind.name}: ${what}`, value, target, mustReach, higherIsBetter: false });
    check(`time of \`true\` against ${kind.floor.name}`, times.true.median, kind.true.ratio);
    check('milliseconds added to `true` (p50)', percentile(added, 0.5), kind.true.added);
    check(`time of ${megabytes} MB of output against ${kind.floor.name}`, times.output.median, kind.output);
    figures[kind.name] = {
      ...{ times, firstMs, added },
      milliseconds: { true: short.ours.map(msOf), output: long.ours.map(msOf) },
      floorMilliseconds: { true: short.floor.map(msOf), output: long.floor.map(msOf) },
    };
  } finally {
    await opened.dispose();
  }
}
