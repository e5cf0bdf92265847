// A manifest of schedules: a YAML file that defines them all.
import { ScheduleBody, SchedulesManifest, toDefinition } from '../workflows/contracts/schedule.ts';
import { timingProblem } from '../workflows/schedule/due-times.ts';
import { type Path, readYaml, type YamlFile } from './yaml-file.ts';

export function readManifest(text: string): YamlFile<SchedulesManifest> {
  return readYaml(text, { schema: SchedulesManifest, noun: 'manifest', knownKeys, problemOf });
}

function problemOf({ schedules }: SchedulesManifest): { path: Path; problem: string } | undefined {
  const names = new Set<string>();
  for (const [index, body] of schedules.entries()) {
    const at = ['schedules', index];
    if (names.has(body.name))
      return { path: [...at, 'name'], problem: `two schedules are called ${body.name}.` };
    names.add(body.name);
    const wrong = timingProblem(toDefinition(body), new Date());
    if (wrong) return { path: [...at, wrong.path], problem: `${body.name}: ${wrong.problem}` };
  }
  return undefined;
}

function knownKeys(path: Path): string {
  if (path.length === 0) return '; there is schedules, a list';
  return path.length === 2 ? `; there are ${Object.keys(ScheduleBody.shape).join(', ')}` : '';
}
