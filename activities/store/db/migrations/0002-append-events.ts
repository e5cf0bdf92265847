// The one way events are appended, as functions of the database.
import { functionsOf } from '../functions.ts';

export const { up, down } = functionsOf('0002');
