// A worker that opens a way out in a folder, says so, and is killed: `node mortal-way-out.ts FOLDER`.
import { publicEgress } from '../../../activities/egress/egress.ts';
import { createWaysOut } from '../../../activities/egress/ways-out.ts';

const wayOut = createWaysOut({ folder: process.argv[2] ?? '', egress: publicEgress }).prepare(
  ['site.test'],
  () => {},
);
process.stdout.write(`${await wayOut.socket()}\n`);
