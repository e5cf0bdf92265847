// Follows every import of a tree and tells which of our rules each one breaks.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import { importRules } from './import-rules.ts';

export interface ImportReport {
  modules: number;
  /** One sentence each: which file imports which, the rule's name, and what to do instead. */
  problems: string[];
}

const folders = ['workflows', 'activities', 'api', 'worker', 'test'];

export async function cruiseImports(root: string): Promise<ImportReport> {
  const { output } = await cruise(
    folders.filter((folder) => existsSync(path.join(root, folder))),
    {
      baseDir: root,
      validate: true,
      ruleSet: { forbidden: [...importRules] },
      doNotFollow: { path: 'node_modules' },
      exclude: { path: '^test/fixtures/' },
      // Type-only imports are imports too: a cycle of types is a cycle of ideas.
      tsPreCompilationDeps: true,
      combinedDependencies: false,
    },
    {
      extensions: ['.ts', '.mjs', '.js', '.json'],
      conditionNames: ['import', 'node', 'default'],
      exportsFields: ['exports'],
    },
  );
  const { modules, summary } = output as ICruiseResult;
  return {
    // Packages and Node's own modules are listed too; only ours count as checked.
    modules: modules.filter((module) => folders.some((folder) => module.source.startsWith(`${folder}/`)))
      .length,
    problems: summary.violations.map((violation) => {
      const cycle = violation.cycle?.map((step) => step.name).join(' → ');
      const comment = importRules.find((rule) => rule.name === violation.rule.name)?.comment;
      return `${violation.from} → ${cycle ?? violation.to} (${violation.rule.name}): ${comment}`;
    }),
  };
}
