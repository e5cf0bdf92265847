// A lost call is closed only where it had been reserved: what an attempt reserves meanwhile is its own.
import { functionsOf } from '../functions.ts';

export const { up, down } = functionsOf('0024');
