// What starting a run asks of its process: the API starts those of requests, the worker those of schedules.
import { realpath, stat } from 'node:fs/promises';
import { createDisk, type Disk } from '../../activities/host/disk.ts';
import { externalToolsProblem } from '../../activities/call/external.ts';
import { contextWindowOf } from '../../activities/llm/context-windows.ts';
import { defaultModel, findLlm } from '../../activities/llm/index.ts';
import { fillIn } from '../../activities/prompt/instructions.ts';
import type { Llm } from '../../activities/llm/llm.ts';
import type { SandboxDriver } from '../../activities/sandbox/sandbox.ts';
import type { StartNeeds } from '../../activities/store/lifecycle/start-run.ts';
import type { Tool } from '../../activities/tools/tool.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { Config } from '../config/config.ts';
import { diskFolders } from '../data-folder.ts';
import { sandboxViews, bestSandboxOf } from './sandboxes.ts';

export interface StartingInput {
  config: Pick<Config, 'dataFolder' | 'minFreeBytes' | 'defaultModel' | 'contextWindow' | 'sandbox'>;
  llms: Llm[];
  tools: readonly Tool[];
  drivers: readonly SandboxDriver[];
  redact(text: string): string;
}

export function startNeedsOf({
  config,
  llms,
  tools,
  drivers,
  redact,
}: StartingInput): StartNeeds & { disk: Disk } {
  const disk = createDisk(diskFolders(config.dataFolder), config.minFreeBytes);
  return {
    disk,
    redact,
    defaultModel: () => defaultModel(llms, config.defaultModel),
    hasModel: (name) => findLlm(llms, name) !== undefined,
    windowOf(name) {
      const { llm, model = name } = findLlm(llms, name) ?? {};
      const given = llm?.contextWindow?.(model);
      return contextWindowOf(llm?.provider ?? '', model, { given, usual: config.contextWindow });
    },
    realPath: realDirectory,
    sandbox: sandboxViews(drivers).sandbox,
    bestSandbox: bestSandboxOf(drivers),
    containsUnattended: config.sandbox.unattended === 'auto',
    fillIn,
    externalToolsProblem: (external) => externalToolsProblem(external, tools),
    diskProblem: disk.problem,
  };
}

async function realDirectory(folder: string): Promise<string> {
  const real = await realpath(folder).catch(() => undefined);
  const found = real !== undefined && (await stat(real).catch(() => undefined));
  if (found && found.isDirectory()) return real;
  // Which field names it, of a run, a workspace or a conversation, is not known here.
  throw new Failure('InvalidInput', `There is no directory ${folder} on the machine of the server.`);
}
