// The tools of a run: the built-in ones its preset leaves on, and those its caller has brought. The one place that says
// which tools a run has; a new source of tools, or a way to take some away, is added here.
import type { ExternalTool } from '../../workflows/contracts/external-tool.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Subagent } from '../../workflows/contracts/preset.ts';
import { presetOf } from '../store/runs/preset-of-run.ts';
import { type RunRow } from '../store/runs/runs.ts';
import { toToolSpec } from '../tools/index.ts';
import type { Tool, ToolSpec } from '../tools/tool.ts';
import { externalToolsOf } from './external.ts';

export type RunTool =
  | { kind: 'built-in'; tool: Tool }
  /** Its caller executes it and brings the result. */
  | { kind: 'external'; tool: ExternalTool };

/** For one look at the run: the tools its caller has brought share the time of that look. */
export function toolsOf(
  { tools }: Pick<ActivityDeps, 'tools'>,
  run: Pick<RunRow, 'external_tools' | 'preset'>,
): RunTool[] {
  const { tools: { on, off } = {}, subagents = [] } = presetOf(run) ?? {};
  const isOn = ({ name }: Tool): boolean => (on?.includes(name) ?? true) && !off?.includes(name);
  return [
    ...tools.filter(isOn).map((tool): RunTool => ({ kind: 'built-in', tool: naming(tool, subagents) })),
    ...externalToolsOf(run).map((tool): RunTool => ({ kind: 'external', tool })),
  ];
}

/** Tells a model of the subagents that its preset names, where it asks for one. */
function naming(tool: Tool, subagents: readonly Subagent[]): Tool {
  const asks = tool.delegates === 'inline' || tool.delegates === 'async';
  if (!asks || subagents.length === 0) return tool;
  const lines = subagents.map(
    ({ name, preset, description }) => `- ${name}: ${description ?? `goes by the preset ${preset}`}`,
  );
  return {
    ...tool,
    description: `${tool.description} Under these names there are subagents with instructions of their own:\n${lines.join('\n')}`,
  };
}

export function findTool(tools: readonly RunTool[], name: string): RunTool | undefined {
  return tools.find(({ tool }) => tool.name === name);
}

/** What a model is told of it. */
export function toSpec({ kind, tool }: RunTool): ToolSpec {
  if (kind === 'built-in') return toToolSpec(tool);
  const { name, description, inputSchema } = tool;
  return { name, description, inputSchema };
}
