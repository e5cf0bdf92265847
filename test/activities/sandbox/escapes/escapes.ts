// Tries every way out of a sandbox, and answers those that lead out.
import { accessSync, constants } from 'node:fs';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import type { WaysOut } from '../../../../activities/egress/ways-out.ts';
import type { Sandbox, SandboxDriver } from '../../../../activities/sandbox/sandbox.ts';
import { type Probe, probes } from './probes.ts';
import { type GiveAway, openScene, type Scene } from './scene.ts';

// What only reads may be tried beside each other; commands and the tests' other halves share the processors.
const atOnce = 4;

/** Gets the scene's folders before anything runs in them. */
export type MakeDriver = (scene: Pick<Scene, 'folder' | 'data'>) => SandboxDriver;

/** Probes that this machine can try at all. */
export const tried: readonly Probe[] = [...probes.reading, ...probes.touching].filter(canTry);

/** The names of the probes that reached what they wanted. `waysOut`: each is let out to a host that is not the scene's. */
export async function escapesFrom(
  make: MakeDriver,
  { give = () => {}, waysOut }: { give?: GiveAway; waysOut?: WaysOut } = {},
): Promise<string[]> {
  const scene = await openScene(give);
  const open = await make(scene).open({ id: 'run', tenantId: 'tenant', projectPath: scene.project });
  try {
    const sandbox = await open.forCall();
    const reached = new Set<string>();
    const waiting = probes.reading.filter(canTry);
    const work = async (): Promise<void> => {
      for (let probe = waiting.shift(); probe !== undefined; probe = waiting.shift())
        if ((await outputOf(sandbox, probe.command(scene), waysOut)).includes(scene.word))
          reached.add(probe.name);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    await scene.wasTouched();
    for (const probe of probes.touching.filter(canTry)) {
      // A work tree that was put back is another folder.
      const current = await open.forCall();
      let output = await outputOf(current, probe.command(scene), waysOut);
      for (const command of probe.more?.(scene) ?? []) output += await outputOf(current, command, waysOut);
      await probe.afterwards?.(scene);
      if ((await scene.wasTouched()) || output.includes(scene.word)) reached.add(probe.name);
    }
    return tried.map(({ name }) => name).filter((name) => reached.has(name));
  } finally {
    await open.close('ended');
    await scene.dispose();
  }
}

async function outputOf(sandbox: Sandbox, command: string, waysOut: WaysOut | undefined): Promise<string> {
  let output = '';
  const wayOut = waysOut?.prepare(['packages.example.org'], () => {});
  await sandbox.exec({
    ...(wayOut && { wayOut }),
    command,
    key: 'run/1.0',
    signal: AbortSignal.timeout(120_000),
    onStart: async () => {},
    onOutput: (_from, bytes) => void (output += bytes.toString('latin1')),
  });
  await wayOut?.close();
  return output;
}

function canTry({ asRoot, asKernel, program, command }: Probe): boolean {
  if (asRoot === true && process.getuid?.() !== 0) return false;
  // These name nothing of the scene but its word.
  if (asKernel === true && !succeeds(command({ word: 'yes' } as Scene))) return false;
  return program === undefined || ['/usr/bin', '/bin'].some((folder) => canRun(path.join(folder, program)));
}

function canRun(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function succeeds(command: string): boolean {
  return execFileSync('/bin/sh', ['-c', command], { encoding: 'utf8' }) === 'yes';
}
