// The settings of the mode `sandbox`: which engine runs its containers, from what, and how much each may use.
import { z } from 'zod';
import { hostPatternProblem } from '../../workflows/policy/host.ts';
import { note } from './setting-kinds.ts';

// What is more than this would be the machine's rather than a sandbox's.
const mostTimes = 4;

/** What a project may need more of: up to four times as much. */
const limit = (usual: number) =>
  z
    .int()
    .min(Math.ceil(usual / mostTimes))
    .max(usual * mostTimes)
    .default(usual);

export const sandboxSettings = z
  .strictObject({
    unattended: z
      .enum(['auto', 'mount'])
      .default('auto')
      .meta(
        note(
          'Where unattended runs work that say nothing of it: auto is sandbox on a copy of the project, else bubblewrap, else mount.',
        ),
      ),
    engine: z
      .string()
      .min(1)
      .default('/var/run/docker.sock')
      .meta(
        note('The socket of the Docker engine for the mode sandbox, as unix:///path or /path.', {
          variable: 'DOCKER_HOST',
        }),
      ),
    image: z
      .string()
      .regex(/^[a-z0-9][\w.\-/:@]*$/, 'must look like perdure-sandbox or name@sha256:…')
      .default('perdure-sandbox')
      .meta(note('What commands in the mode sandbox see; perdure sandbox image build makes the usual one.')),
    runtime: z
      .string()
      .regex(/^[\w.-]+$/, 'must be a name that the engine knows, such as runsc')
      .optional()
      .meta(
        note('What the engine runs containers with, such as runsc or sysbox-runc; its own choice without.'),
      ),
    memoryMegabytes: limit(512).meta(note('The memory of a sandbox, all its commands together.')),
    processors: limit(1).meta(note('The processors that a sandbox may keep busy.')),
    processes: limit(100).meta(note('The processes of a sandbox, threads included.')),
    diskMegabytes: limit(10_240).meta(
      note('By how much one command may let the work tree of a sandbox grow.'),
    ),
    containers: z
      .int()
      .min(1)
      .max(1_000)
      .default(8)
      .meta(note('Sandboxes at once on this machine; further runs wait for their turn.')),
  })
  .prefault({});

/** What commands that are let out may be let out to, under names of one's own. */
export const networkSettings = z
  .record(
    z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower-case words joined by hyphens'),
    z
      .array(
        z
          .string()
          .refine(
            (host) => hostPatternProblem(host) === undefined,
            'must be a host, or *.example.org for all below it',
          ),
      )
      .min(1),
  )
  .default({})
  .meta(
    note(
      'Lists of hosts by name, such as those of a package registry: hosts: ["@name"] in a policy rule stands for them from ' +
        'when the policy is saved. JSON in the environment.',
      { example: '{"packages":["packages.example.org","*.files.example.org"]}' },
    ),
  );
