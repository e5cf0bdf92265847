// The part of the client about the platform itself: what gave up, and the processes of a supervised server.
import type {
  BackupListView,
  DeadLetterListView,
  DeadLetterView,
  DemoView,
  ProcessListView,
} from '../../workflows/contracts/system.ts';
import { ProblemError } from './problem.ts';
import type { Transport } from './transport.ts';

export function systemCalls({ json }: Transport) {
  const ofDeadLetter = (id: string): string => `/dead-letters/${encodeURIComponent(id)}`;

  // The route is there only under a supervisor, and only for callers on its machine.
  async function processes(): Promise<ProcessListView> {
    try {
      return await json<ProcessListView>('GET', '/embedded/processes');
    } catch (error) {
      if (!(error instanceof ProblemError) || ![403, 404].includes(error.status)) throw error;
      return { embedded: false, items: [], temporalUi: null };
    }
  }

  return {
    deadLetters: (query?: { limit?: number; cursor?: string }) =>
      json<DeadLetterListView>('GET', '/dead-letters', { query: { ...query } }),
    retryDeadLetter: (id: string) => json<DeadLetterView>('POST', `${ofDeadLetter(id)}/retry`, { body: {} }),
    dropDeadLetter: (id: string) => json<DeadLetterView>('POST', `${ofDeadLetter(id)}/drop`, { body: {} }),
    backups: () => json<BackupListView>('GET', '/backups'),
    processes,
    killProcess: (name: string) =>
      json<void>('POST', `/embedded/processes/${encodeURIComponent(name)}/kill`, {}),
    startDemo: () => json<DemoView>('POST', '/embedded/demo', { body: {} }),
  };
}
