// What a terminal shows of events.
import { createOutput } from '../../../../api/cli/terminal/output.ts';
import { createRenderer } from '../../../../api/cli/terminal/renderer.ts';
import type { Event, NewEvent } from '../../../../workflows/contracts/event.ts';

/** Draws these events, a second apart, and gives back what a terminal without colours shows. */
export function drawn(
  events: NewEvent[],
  environment: Record<string, string> = { NO_COLOR: '1' },
  isTTY = false,
  columns = 100,
): string {
  let text = '';
  const output = createOutput(
    { write: (more) => (text += more), isTTY, columns },
    { write: () => 0 },
    environment,
  );
  const renderer = createRenderer(output);
  for (const [index, event] of events.entries()) {
    const at = new Date(Date.UTC(2026, 0, 1, 0, 0, index)).toISOString();
    const place = {
      stream: `run/01900000-0000-7000-8000-000000000001`,
      seq: index + 1,
      conversationSeq: index + 1,
      at,
      version: 1,
      attempt: 1,
    };
    renderer.render({ ...event, ...place } as Event);
  }
  return text;
}
