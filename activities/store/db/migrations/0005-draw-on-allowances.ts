// Drawing on allowances, as functions of the database: the tenant's pool is drawn on by every model call, so its lock
// must not be held over round trips. Pools are locked in the order of their ids before anything is decided. Plans are
// made once, in empty tables: a query names no column besides those of the index it needs.
import { functionsOf } from '../functions.ts';

export const { up, down } = functionsOf('0005');
