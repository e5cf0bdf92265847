// A container that a person runs, as a request names it.
import { z } from 'zod';
import { plainPath } from './fields.ts';

export const ContainerRef = z
  .strictObject({
    id: z
      .string()
      .max(128)
      .regex(/^[a-zA-Z0-9][\w.-]*$/, 'must be the id or the name of a container'),
    workdir: z
      .string()
      .max(4096)
      .regex(/^\//, 'must be an absolute path in the container')
      .regex(plainPath, 'must have no line break or control character')
      .optional()
      .describe(
        'Where its commands start: a folder of the project, as the container sees it. Left out: the project.',
      ),
  })
  .meta({ id: 'ContainerRef' });
export type ContainerRef = z.infer<typeof ContainerRef>;

export const WantedContainer = ContainerRef.describe(
  'A container that you run, on the engine of this server: commands run in it, as its own user. It must show the ' +
    'directory of the project, where files are read and written, and it is never stopped, changed or counted as ' +
    'containing anything. Without execMode beside it, it says execMode container.',
);
