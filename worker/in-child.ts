// Calls a function in a process of its own that ends with it, and takes along what its module has loaded. For what a
// process does once, with packages that would stay in its memory for as long as it lives.
import { fork } from 'node:child_process';
import path from 'node:path';

const program = path.join(import.meta.dirname, 'child.ts');

export type Answer = { result: unknown } | { message: string };

/**
 * Arguments and result are copied; they may hold secrets, since they pass through a pipe. An error keeps its message
 * alone. When this process dies, so does the other.
 */
export async function inChild<
  Module extends Record<Name, (...args: never[]) => unknown>,
  Name extends string,
>(module: URL, name: Name, ...args: Parameters<Module[Name]>): Promise<Awaited<ReturnType<Module[Name]>>> {
  return inChildUntil<Module, Name>(undefined, module, name, ...args);
}

/** The same; `signal` ends the process, wherever it is. */
export async function inChildUntil<
  Module extends Record<Name, (...args: never[]) => unknown>,
  Name extends string,
>(
  signal: AbortSignal | undefined,
  module: URL,
  name: Name,
  ...args: Parameters<Module[Name]>
): Promise<Awaited<ReturnType<Module[Name]>>> {
  // Detached, so that a terminal's Ctrl-C reaches only the process that decides what it means.
  const child = fork(program, [module.href, name], {
    execArgv: [],
    serialization: 'advanced',
    detached: true,
    signal,
  });
  const answer = await new Promise<Answer>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Answer));
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`The process for ${name} ended with ${code ?? signal} and no answer.`)),
    );
    child.send(args);
  });
  child.disconnect();
  if ('message' in answer) throw new Error(answer.message);
  return answer.result as Awaited<ReturnType<Module[Name]>>;
}
