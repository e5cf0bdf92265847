// The list of tools. To know what exists, read it; its order is the order models see, so new ones go to the end.
import { z } from 'zod';
import { askPerson } from './ask-person.ts';
import type { Background } from './background.ts';
import { delegate, delegateAsync, peek, waitForSubagents } from './delegate.ts';
import { edit } from './edit.ts';
import { createFetch } from './fetch.ts';
import type { Egress } from '../egress/egress.ts';
import { finish } from './finish.ts';
import { glob } from './glob.ts';
import { grep } from './grep.ts';
import { list } from './list.ts';
import { output } from './output.ts';
import { patch } from './patch.ts';
import { recall, remember } from './memory.ts';
import { read } from './read.ts';
import { createShell, createShellKill, createShellPoll } from './shell.ts';
import { todo } from './todo.ts';
import { skill } from './skill.ts';
import type { Tool, ToolSpec } from './tool.ts';
import { write } from './write.ts';

export interface ToolNeeds {
  background: Background;
  egress: Egress;
}

export function createTools({ background, egress }: ToolNeeds): Tool[] {
  return [
    read,
    write,
    edit,
    patch,
    list,
    glob,
    grep,
    createShell(background),
    createShellPoll(background),
    createShellKill(background),
    createFetch(egress),
    todo,
    finish,
    askPerson,
    output,
    delegate,
    delegateAsync,
    waitForSubagents,
    peek,
    remember,
    recall,
    skill,
  ];
}

// Every model call names every tool, and turning a schema into JSON Schema is slow.
const specs = new WeakMap<Tool, ToolSpec>();

export function toToolSpec(tool: Tool): ToolSpec {
  const known = specs.get(tool);
  if (known) return known;
  // What a model must send, not what remains after parsing.
  const { $schema: _, ...inputSchema } = z.toJSONSchema(tool.input, { io: 'input' });
  const spec = { name: tool.name, description: tool.description, inputSchema };
  specs.set(tool, spec);
  return spec;
}
