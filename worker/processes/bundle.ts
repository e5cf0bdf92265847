// The workflow bundle: built once for each state of the sources and kept, so that a worker that replaces a dead
// one does not spend a second on building what has not changed.
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { inChild } from '../in-child.ts';

const workflowsFolder = path.join(import.meta.dirname, '../..', 'workflows');

export async function workflowBundle(cacheFolder: string): Promise<WorkflowBundleWithSourceMap> {
  const file = path.join(cacheFolder, `workflows-${await sourceHash()}.json`);
  const cached = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (cached !== undefined) return JSON.parse(cached) as WorkflowBundleWithSourceMap;
  // The bundler takes 200 MB, and a worker needs it only now.
  const here = new URL(import.meta.url);
  const bundle = await inChild<{ buildBundle: typeof buildBundle }, 'buildBundle'>(here, 'buildBundle');
  const temporary = `${file}.${process.pid}`;
  try {
    await mkdir(cacheFolder, { recursive: true });
    await writeFile(temporary, JSON.stringify(bundle));
    await rename(temporary, file);
  } catch {
    // Kept or not, as on a full disk, it is good for this process.
    await rm(temporary, { force: true });
  }
  return bundle;
}

/** The bundler is loaded only when there is something to build: it is half of a worker's start. */
export async function buildBundle(): Promise<WorkflowBundleWithSourceMap> {
  const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
  // The bundler's report on every module would stand in the worker's log as lines that are no log lines.
  const logger = new DefaultLogger('WARN');
  return bundleWorkflowCode({
    workflowsPath: path.join(workflowsFolder, 'index.ts'),
    logger,
    // Lines are enough for a stack trace. With columns and the sources themselves a worker holds 12 MB of it.
    webpackConfigHook: (config) => ({ ...config, devtool: 'inline-nosources-cheap-module-source-map' }),
  });
}

async function sourceHash(): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(workflowsFolder, { recursive: true });
  for (const entry of entries.filter((name) => name.endsWith('.ts')).sort()) {
    hash.update(entry).update(await readFile(path.join(workflowsFolder, entry)));
  }
  // Another SDK bundles differently, and so may this file.
  hash.update(await readFile(import.meta.filename));
  hash.update(await readFile(path.join(workflowsFolder, '..', 'package.json')));
  return hash.digest('hex').slice(0, 32);
}
