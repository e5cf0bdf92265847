// The part of the client about workspaces.
import type {
  ChangeWorkspaceBody,
  CreateWorkspaceBody,
  WorkspaceListView,
  WorkspaceView,
} from '../../workflows/contracts/workspace.ts';
import type { Transport } from './transport.ts';

export function workspaceCalls({ json }: Transport) {
  const of = (id: string): string => `/workspaces/${encodeURIComponent(id)}`;
  return {
    workspaces: ({ metadata, ...page }: WorkspaceQuery = {}) =>
      json<WorkspaceListView>('GET', '/workspaces', {
        query: { ...page, ...(metadata && { metadata: JSON.stringify(metadata) }) },
      }),
    workspace: (id: string) => json<WorkspaceView>('GET', of(id)),
    createWorkspace: (body: CreateWorkspaceBody) => json<WorkspaceView>('POST', '/workspaces', { body }),
    changeWorkspace: (id: string, body: ChangeWorkspaceBody) =>
      json<WorkspaceView>('PATCH', of(id), { body }),
    deleteWorkspace: (id: string, version: number) =>
      json<undefined>('DELETE', of(id), { query: { version } }),
  };
}

interface WorkspaceQuery {
  limit?: number;
  cursor?: string;
  metadata?: Record<string, string>;
}
