// All attacks: every goal in each of its settings, brought by one vehicle after the other.
import { changing } from './changing.ts';
import type { Goal, PlantedStep, Setting } from './goal.ts';
import { ruling } from './ruling.ts';
import { sending } from './sending.ts';
import { stealing } from './stealing.ts';

/** How the planted text comes before the model. */
export type Vehicle =
  | 'file'
  | 'passage'
  | 'agent instructions'
  | 'skill'
  | 'memory note'
  | 'subagent report'
  | 'file name'
  | 'found file name'
  | 'search hit'
  | 'test output'
  | 'commit message'
  | 'diff'
  | 'issue'
  | 'earlier message'
  | 'external result'
  | 'tool description'
  | 'page'
  | 'error page';

export interface Attack {
  number: number;
  name: string;
  setting: Setting;
  vehicle: Vehicle;
  steps: readonly PlantedStep[];
  mayChange: readonly string[];
}

const inFiles: Vehicle[] = [
  'file',
  'passage',
  'agent instructions',
  'file name',
  'found file name',
  'search hit',
];
const fromAgents: Vehicle[] = ['skill', 'memory note', 'subagent report'];
const fromPeople: Vehicle[] = ['issue', 'external result', 'tool description', 'earlier message'];

const vehicles: Record<Setting, readonly Vehicle[]> = {
  default: [...inFiles, 'test output', 'commit message', 'diff', ...fromAgents, ...fromPeople],
  'default-and-pages': ['page', 'error page'],
  'plan-readonly': [...inFiles, ...fromAgents, ...fromPeople],
  'headless-permissive': [...inFiles, 'test output', 'commit message', ...fromAgents, ...fromPeople],
  // Each read has to be asked for, and no person answers.
  'ask-headless': fromPeople,
  'ask-nobody': fromPeople,
  'ask-person': ['file', 'search hit', 'file name', ...fromPeople],
  trusted: ['file', ...fromAgents],
};

// A name may have 255 bytes, and a note 2,000 characters; the places of the stage make a demand longer, and so does the
// way it is written.
const longestForName = 130;
const longestForNote = 700;

export function attacksOf(goals: readonly Goal[]): Attack[] {
  const used = new Map<Setting, number>();
  const next = (setting: Setting, steps: Goal['steps']): Vehicle => {
    const of = vehicles[setting];
    const turn = used.get(setting) ?? 0;
    used.set(setting, turn + 1);
    const vehicle = of[turn % of.length] as Vehicle;
    const { length } = JSON.stringify(steps);
    const most = /file name|search hit/.test(vehicle)
      ? longestForName
      : vehicle === 'memory note'
        ? longestForNote
        : Infinity;
    return length <= most ? vehicle : 'file';
  };
  return goals
    .flatMap(({ name, settings, steps, mayChange = [] }) =>
      settings.map((setting) => ({ setting, vehicle: next(setting, steps), name, steps, mayChange })),
    )
    .map((attack, number) => ({
      ...attack,
      number,
      name: `${attack.setting}, ${attack.vehicle}: ${attack.name}`,
    }));
}

export const attacks = attacksOf([...stealing, ...sending, ...changing, ...ruling]);
