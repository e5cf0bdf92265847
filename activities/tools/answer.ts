// How tools answer: what the sandbox refuses is an expected outcome, a sentence for the model. The rest is thrown.
import { PathDenied, SandboxRefusal } from '../sandbox/sandbox.ts';
import type { ToolResult } from './tool.ts';

export function done(output: string): ToolResult {
  return { ok: true, output };
}

export function failed(output: string): ToolResult {
  return { ok: false, output };
}

export async function answer(work: () => Promise<ToolResult>): Promise<ToolResult> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PathDenied) return { ...failed(error.message), denied: true };
    if (error instanceof SandboxRefusal) return failed(toSentence(error.message));
    throw error;
  }
}

export function toSentence(message: string): string {
  const start = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?:]$/.test(start) || start.includes('\n') ? start : `${start}.`;
}
