// A workspace: projects in an order, under a name. The first is where runs work and write; the others are there to be
// read. A run keeps the list that it began with.
import { z } from 'zod';
import { workspaceId } from './configuration.ts';
import { nameText, page, when } from './fields.ts';
import { Metadata, ProjectRef } from './run.ts';

// Each is a mount of every command, and a part of what a model is told in each step.
const mostProjects = 16;

const Projects = z
  .array(ProjectRef)
  .min(1)
  .max(mostProjects)
  .refine(
    (projects) => new Set(projects.map(({ path }) => path)).size === projects.length,
    'must name each directory once',
  )
  .describe(
    'Directories, none in another. Runs work in the first: it is recorded and can be undone. The others can be read ' +
      'under their own paths; tools write nothing there, and neither does a command in a sandbox that contains.',
  );

const name = nameText(100);

export const CreateWorkspaceBody = z
  .strictObject({ id: workspaceId, name: name.optional(), projects: Projects, metadata: Metadata.optional() })
  .meta({ id: 'CreateWorkspaceBody' });
export type CreateWorkspaceBody = z.infer<typeof CreateWorkspaceBody>;

export const ChangeWorkspaceBody = z
  .strictObject({
    name: name.optional(),
    projects: Projects.optional(),
    metadata: z
      .record(z.string().min(1).max(64), z.string().max(512).nullable())
      .nullable()
      .optional()
      .describe('Joins what there is; null as a value takes the key away. null in its place takes all away.'),
    version: z.int().min(1).max(2_147_483_647).describe('The version that the change was made to.'),
  })
  .meta({ id: 'ChangeWorkspaceBody' });
export type ChangeWorkspaceBody = z.infer<typeof ChangeWorkspaceBody>;

export const WorkspaceView = z
  .object({
    id: workspaceId,
    version: z.int(),
    name,
    projects: z.array(ProjectRef),
    metadata: Metadata,
    createdAt: when,
    updatedAt: when,
  })
  .meta({ id: 'WorkspaceView' });
export type WorkspaceView = z.infer<typeof WorkspaceView>;

export const WorkspaceListQuery = page.extend({
  metadata: z
    .string()
    .min(2)
    .max(20_000)
    .optional()
    .describe('A JSON object of texts, such as {"team":"shop"}: only those whose metadata has all of it.'),
});

export const WorkspaceListView = z
  .object({ items: z.array(WorkspaceView), nextCursor: z.string().nullable() })
  .meta({ id: 'WorkspaceListView' });
export type WorkspaceListView = z.infer<typeof WorkspaceListView>;
