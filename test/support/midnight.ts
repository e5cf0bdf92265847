// Allowances count by the day: at midnight UTC what a test has used is of yesterday.
import { setTimeout as sleep } from 'node:timers/promises';

const dayMs = 86_400_000;
// Longer than a file of tests takes that counts.
const nearMs = 60_000;

/** What begins before midnight and would end behind it begins behind it. */
export async function awayFromMidnight(): Promise<void> {
  const leftMs = dayMs - (Date.now() % dayMs);
  if (leftMs < nearMs) await sleep(leftMs);
}
