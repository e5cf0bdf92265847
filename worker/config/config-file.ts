// The YAML file of settings: values with the line each stands on, so that a mistake is found at once.
import { existsSync, readFileSync } from 'node:fs';
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { closestName } from './closest-name.ts';
import { ConfigProblem } from './config-problem.ts';
import type { Setting } from './settings.ts';

export interface FileValue {
  setting: Setting;
  /** True when the file names a file that holds the secret. */
  inFile: boolean;
  value: unknown;
  where: string;
}

function allNames(settings: readonly Setting[]): string[] {
  return settings.flatMap(({ name, notes }) => (notes.secret ? [name, `${name}File`] : [name]));
}

export function readConfigFile(file: string, required: boolean, settings: readonly Setting[]): FileValue[] {
  if (!existsSync(file)) {
    if (required) throw new ConfigProblem(`PERDURE_CONFIG names ${file}, which is not there.`);
    return [];
  }
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter: lines, prettyErrors: false });
  const whereAt = (offset: number) => `${file}:${lines.linePos(offset).line}`;
  const wrong = document.errors[0];
  if (wrong !== undefined)
    throw new ConfigProblem(`${whereAt(wrong.pos[0])}: this is not YAML (${wrong.message}).`);
  const values: FileValue[] = [];
  const collect = (node: unknown, above: string[]): void => {
    if (!isMap(node))
      throw new ConfigProblem(`${file}: ${above.join('.') || 'the file'} must be a list of "name: value".`);
    for (const pair of node.items) {
      const keyNode = pair.key;
      const label = isScalar(keyNode) ? String(keyNode.value) : String(keyNode);
      const name = [...above, label].join('.');
      const where = whereAt(isScalar(keyNode) ? (keyNode.range?.[0] ?? 0) : 0);
      const setting = settings.find(
        (each) => each.name === name || (each.notes.secret && `${each.name}File` === name),
      );
      if (setting !== undefined) {
        const value =
          (document.getIn([...above, label], false) as { toJSON?(): unknown } | undefined) ?? undefined;
        const plain =
          typeof value === 'object' && value !== null && 'toJSON' in value ? value.toJSON?.() : value;
        values.push({ setting, inFile: setting.name !== name, value: plain, where });
      } else if (settings.some((each) => each.name.startsWith(`${name}.`))) {
        collect(pair.value, [...above, label]);
      } else {
        const near = closestName(name, allNames(settings));
        const hint = near === undefined ? '; perdure config lists them all' : `; did you mean "${near}"?`;
        throw new ConfigProblem(`${where}: there is no setting "${name}"${hint}`);
      }
    }
  };
  if (document.contents !== null) collect(document.contents, []);
  return values;
}
