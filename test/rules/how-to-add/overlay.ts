// The sources of this repository with some files written otherwise: what the compiler says of them, and what they say.
import path from 'node:path';
import ts from 'typescript';
import { root } from '../product-files.ts';

export interface Overlay {
  /** The text of a file, or undefined when there is none. */
  read(name: string): string | undefined;
  /** One line each: the file and what the compiler says of it. */
  typeProblems(names: readonly string[]): string[];
}

const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile);
const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root);
// Parsing is half of the work, and most files are the same in every overlay.
const parsed = new Map<string, ts.SourceFile | undefined>();

/** Files that are written otherwise; undefined is one that is not there. */
export function openOverlay(files: ReadonlyMap<string, string>): Overlay {
  const changed = new Map([...files].map(([name, text]) => [path.join(root, name), text]));
  const host = ts.createCompilerHost(options);
  const fromDisk = host.getSourceFile.bind(host);
  host.readFile = (name) => changed.get(name) ?? ts.sys.readFile(name);
  host.fileExists = (name) => changed.has(name) || ts.sys.fileExists(name);
  host.getSourceFile = (name, languageVersion) => {
    const text = changed.get(name);
    if (text !== undefined) return ts.createSourceFile(name, text, languageVersion, true);
    if (!parsed.has(name)) parsed.set(name, fromDisk(name, languageVersion));
    return parsed.get(name);
  };
  return {
    read: (name) => host.readFile(path.join(root, name)),
    typeProblems(names) {
      const program = ts.createProgram(
        names.map((name) => path.join(root, name)),
        options,
        host,
      );
      return names.flatMap((name) => {
        const source = program.getSourceFile(path.join(root, name));
        if (!source) return [`${name}: there is no such file`];
        const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
        return found.map(
          ({ messageText }) => `${name}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
        );
      });
    },
  };
}
