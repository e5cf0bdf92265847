// The begin of a run on the machine of its executor: what only that machine can read of the project is kept for the
// model calls, which are made elsewhere.
import { realpath } from 'node:fs/promises';
import { type ActivityDeps, ProjectProblem } from '../deps.ts';
import { untilStored } from '../store/db/until-stored.ts';
import { readContext } from '../store/runs/messages.ts';
import { noteOnExecutor, onExecutorOf } from '../store/runs/on-executor.ts';
import type { RunRow } from '../store/runs/runs.ts';
import { keepProjectText, newProjectText } from './project-text.ts';
import { skillsText } from './skills-block.ts';

/** Begun again it ends the same: what was told stays as it was. */
export async function beginOnExecutor(deps: ActivityDeps, run: RunRow): Promise<void> {
  if (run.executor === null || onExecutorOf(run) !== undefined) return;
  await refuseLink(run);
  const skills = await skillsText({ deps, run });
  const { db } = deps.log;
  const history = await untilStored(() => readContext(db, run.tenant_id, run.id));
  await keepProjectText(
    deps,
    run,
    await newProjectText(deps, { run, step: 1 }, history, deps.windowOf(run.model)),
  );
  const said = { place: deps.place(run), ...(skills !== undefined && { skills }) };
  await untilStored(() => noteOnExecutor(db, run.id, said));
}

/** The server cannot see where a path leads there: a run is held against the policies of the one path it was given. */
async function refuseLink({ project_path: project, executor }: RunRow): Promise<void> {
  const real = project === null ? null : await realpath(project).catch(() => project);
  if (real !== project)
    throw new ProjectProblem(
      `${project} leads to ${real} on ${executor}: name that directory as the project.`,
    );
}
