// A process that fills the stream of a tenant without a pause until it is killed: `node feeding.ts`, with the database's URL
// in its environment. It says each time how many events it has moved.
import { defaultTenant } from '../../activities/store/db/database.ts';
import { createEventLog } from '../../activities/store/log/events.ts';
import { createNotifier } from '../../activities/store/log/notifier.ts';
import { openPatient } from './patient.ts';

const { db, pool } = openPatient({ url: process.env['FEED_URL'] ?? '', connections: 2, name: 'feeding' });
const notifier = createNotifier(pool, (error) => {
  throw error;
});
const log = createEventLog({ db, notifier, redact: (text) => text });
for (;;) {
  const fed = await log.feed(defaultTenant, 4);
  if (fed > 0) process.stdout.write(`${fed}\n`);
}
