// A YAML file as a person writes it. What is wrong is said in one sentence with its line; nothing is guessed.
import { isMap, isNode, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import type { z } from 'zod';

export type Path = readonly (string | number)[];

export interface YamlProblem {
  problem: string;
  path: Path;
  line: number;
}

export interface YamlInput<Value> {
  schema: z.ZodType<Value>;
  /** What the file is, as in "a profile has no such field". */
  noun: string;
  /** Which fields there are at a path, for one that has another. */
  knownKeys(path: Path): string;
  /** What else must hold. */
  problemOf(value: Value): { path: Path; problem: string } | undefined;
}

/** `refuse` makes a problem of what turns out later to be wrong at a path. */
export type YamlFile<Value> =
  | { value: Value; refuse(path: Path, problem: string): YamlProblem }
  | YamlProblem;

export function readYaml<Value>(text: string, input: YamlInput<Value>): YamlFile<Value> {
  const { schema, noun, knownKeys, problemOf } = input;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const refuseAt = (offset: number, problem: string, path: Path = []): YamlProblem => {
    const { line } = lines.linePos(offset);
    return { problem: `Line ${line}: ${problem}`, path, line };
  };
  const wrong = document.errors[0];
  if (wrong !== undefined) return refuseAt(wrong.pos[0], `this is not YAML: ${wrong.message}.`);
  const refuse = (path: Path, problem: string, key?: string): YamlProblem =>
    refuseAt(offsetOf(document, path, key), problem, path);
  const aliases: Node[] = [];
  visit(document, { Alias: (_key, node) => void aliases.push(node) });
  if (aliases[0] !== undefined)
    return refuseAt(aliases[0].range?.[0] ?? 0, `a ${noun} has no aliases; write it out.`);
  const parsed = schema.safeParse(document.toJS(), {
    error: ({ input: given }) => (given === undefined ? 'it is missing' : undefined),
  });
  if (parsed.success) {
    const found = problemOf(parsed.data);
    return found === undefined ? { value: parsed.data, refuse } : refuse(found.path, found.problem);
  }
  const issue = parsed.error.issues[0];
  if (issue === undefined) throw parsed.error;
  const path = issue.path.map((name) => (typeof name === 'symbol' ? String(name) : name));
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    return refuse(path, `${path.join('.') || `a ${noun}`} has no "${key}"${knownKeys(path)}.`, key);
  }
  return refuse(path, `${path.join('.') || `the ${noun}`}: ${issue.message}.`);
}

/** Where a path stands in the file; what is missing is looked for where it should be. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: Path, key?: string): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (!isNode(node)) continue;
    const pair = isMap(node)
      ? node.items.find((each) => isScalar(each.key) && String(each.key.value) === key)
      : undefined;
    const start = pair !== undefined && isScalar(pair.key) ? pair.key.range : node.range;
    return start?.[0] ?? 0;
  }
  return 0;
}
