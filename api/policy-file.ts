// A policy profile as a YAML file, in and out. What is wrong is said in one sentence with its line; nothing is guessed.
import { isMap, isNode, isScalar, LineCounter, type Node, parseDocument, stringify, visit } from 'yaml';
import { PolicyProfile, PolicyRule } from '../workflows/contracts/policy.ts';
import { profileProblem } from '../workflows/policy/profile-problem.ts';

type Path = readonly (string | number)[];

export type PolicyFile = { profile: PolicyProfile } | { problem: string; path: Path; line: number };

export function readPolicyFile(text: string): PolicyFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number): number => lines.linePos(offset).line;
  const wrong = document.errors[0];
  if (wrong !== undefined) {
    return { problem: `This is not YAML: ${wrong.message}`, path: [], line: lineAt(wrong.pos[0]) };
  }
  const refuse = (path: Path, problem: string, key?: string): PolicyFile => {
    const line = lineAt(offsetOf(document, path, key));
    return { problem: `Line ${line}: ${problem}`, path, line };
  };
  const aliases: Node[] = [];
  visit(document, { Alias: (_key, node) => void aliases.push(node) });
  if (aliases[0] !== undefined) {
    const line = lineAt(aliases[0].range?.[0] ?? 0);
    return { problem: `Line ${line}: a profile has no aliases; write it out.`, path: [], line };
  }
  const parsed = PolicyProfile.safeParse(document.toJS());
  if (parsed.success) {
    const found = profileProblem(parsed.data);
    return found === undefined ? { profile: parsed.data } : refuse(found.path, found.problem);
  }
  const issue = parsed.error.issues[0];
  if (issue === undefined) throw parsed.error;
  const path = issue.path.map((name) => (typeof name === 'symbol' ? String(name) : name));
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    return refuse(path, `${path.join('.') || 'a profile'} has no "${key}"${knownKeys(path)}.`, key);
  }
  return refuse(path, `${path.join('.') || 'the profile'}: ${issue.message}.`);
}

export function writePolicyFile(profile: PolicyProfile): string {
  // As wide as the longest line of our own files.
  return stringify(profile, { lineWidth: 110 });
}

function knownKeys(path: Path): string {
  if (path.length === 0) return `; there are ${Object.keys(PolicyProfile.shape).join(', ')}`;
  const isRule = path.length === 2 && path[0] === 'rules';
  return isRule ? `; there are ${Object.keys(PolicyRule.shape).join(', ')}` : '';
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
