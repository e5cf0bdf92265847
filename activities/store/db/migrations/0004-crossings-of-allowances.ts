// Thresholds of allowances that are reached, as functions of the database: marked as told and kept for those who tell
// of them in one statement with what reached them, so that none is lost between the two.
import { functionsOf } from '../functions.ts';

export const { up, down } = functionsOf('0004');
