// The part of the client about schedules.
import type {
  OccurrenceListView,
  Outcome,
  PreviewScheduleBody,
  ScheduleBody,
  ScheduleListView,
  SchedulePreviewView,
  ScheduleView,
  SyncSchedulesView,
  TriggerScheduleView,
  UpdateScheduleBody,
} from '../../workflows/contracts/schedule.ts';
import type { Transport } from './transport.ts';

interface ScheduleQuery {
  limit?: number;
  cursor?: string;
  name?: string;
}

interface OccurrenceQuery {
  limit?: number;
  cursor?: string;
  outcome?: Outcome;
}

export function scheduleCalls({ json }: Transport) {
  const of = (id: string): string => `/schedules/${encodeURIComponent(id)}`;
  return {
    schedules: (query?: ScheduleQuery) =>
      json<ScheduleListView>('GET', '/schedules', { query: { ...query } }),
    schedule: (id: string) => json<ScheduleView>('GET', of(id)),
    createSchedule: (body: ScheduleBody) => json<ScheduleView>('POST', '/schedules', { body }),
    updateSchedule: (id: string, body: UpdateScheduleBody) => json<ScheduleView>('PUT', of(id), { body }),
    deleteSchedule: (id: string) => json<null>('DELETE', of(id)),
    switchSchedule: (id: string, enabled: boolean) =>
      json<ScheduleView>('POST', `${of(id)}/${enabled ? 'enable' : 'disable'}`, { body: {} }),
    triggerSchedule: (id: string, dryRun = false) =>
      json<TriggerScheduleView>('POST', `${of(id)}/trigger`, { body: { dryRun } }),
    occurrences: (id: string, query?: OccurrenceQuery) =>
      json<OccurrenceListView>('GET', `${of(id)}/occurrences`, { query: { ...query } }),
    previewSchedule: (body: PreviewScheduleBody) =>
      json<SchedulePreviewView>('POST', '/schedules/preview', { body }),
    /** Without a manifest the server reads the file that it is set to again. */
    syncSchedules: (manifest?: string) =>
      json<SyncSchedulesView>('POST', '/schedules/sync', {
        body: manifest === undefined ? {} : { manifest },
      }),
  };
}
