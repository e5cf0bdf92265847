// The path a workflow took: what it asked for and what it heard of, in order. Two histories of one path show the same.
interface Event {
  eventId: string;
  eventType: string;
  activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  [attributes: string]: unknown;
}

// When workers took up what they were given is not the workflow's doing.
const ofWorkers = [
  'WORKFLOW_TASK_SCHEDULED',
  'WORKFLOW_TASK_STARTED',
  'WORKFLOW_TASK_COMPLETED',
  'ACTIVITY_TASK_STARTED',
];

export function pathOf(history: string): string {
  const { events } = JSON.parse(history) as { events: Event[] };
  const activities = new Map<unknown, string>();
  const path: string[] = [];
  for (const { eventId, eventType, ...attributes } of events) {
    const type = eventType.replace('EVENT_TYPE_', '');
    if (ofWorkers.includes(type)) continue;
    const asked = attributes.activityTaskScheduledEventAttributes;
    if (asked) activities.set(eventId, asked.activityType.name);
    path.push(`${type} ${asked?.activityType.name ?? activities.get(scheduledBy(attributes)) ?? ''}`);
  }
  // Step after step of the same kind is one path, however many there are.
  return `${path.join('\n')}\n`.replace(/((?:.+\n)+?)\1+/g, '$1');
}

function scheduledBy(attributes: Record<string, unknown>): unknown {
  const own = Object.values(attributes).find(
    (value): value is { scheduledEventId: unknown } =>
      typeof value === 'object' && value !== null && 'scheduledEventId' in value,
  );
  return own?.scheduledEventId;
}
