// Room in allowances for a call that a run waits for, as a function of the database: looking for it reads rows of many
// pools and promises, and must not cost a round trip for each.
import { functionsOf } from '../functions.ts';

export const { up, down } = functionsOf('0006');
