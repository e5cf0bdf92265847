// The filter of system calls, carried out as the kernel does.
import { expect, test } from 'vitest';
import { refusedCalls } from '../../../../activities/sandbox/bubblewrap/refused-calls.ts';

const [load, jumpIfEqual, jumpIfAtLeast, answer] = [0x20, 0x15, 0x35, 0x06];
const [allowed, refused] = [0x7fff0000, 0x00050001];

/** Its answer to a call: the data of one begin with the number of the call and the processor that it is meant for. */
function answerTo(filter: Buffer, call: number, audit: number): number {
  let held = 0;
  for (let at = 0; ; at += 8) {
    const [code, onTrue, onFalse] = [
      filter.readUInt16LE(at),
      filter.readUInt8(at + 2),
      filter.readUInt8(at + 3),
    ];
    const value = filter.readUInt32LE(at + 4);
    if (code === answer) return value;
    if (code === load) held = value === 4 ? audit : call;
    else if (code === jumpIfEqual) at += 8 * (held === value ? onTrue : onFalse);
    else if (code === jumpIfAtLeast) at += 8 * (held >= value ? onTrue : onFalse);
    else throw new Error(`no instruction of ours: ${code}`);
  }
}

test.runIf(process.arch === 'x64')(
  'only what is not in the list, in the numbers of this processor, is let through',
  () => {
    const filter = refusedCalls() as Buffer;
    const [x64, i386, x32] = [0xc000003e, 0x40000003, 0x40000000];
    const listed = [248, 249, 250, 298, 321, 323, 425, 426, 427];
    const all = Array.from({ length: 600 }, (_, call) => call);
    expect(all.filter((call) => answerTo(filter, call, x64) !== allowed)).toEqual(listed);
    expect(all.filter((call) => answerTo(filter, x32 + call, x64) !== refused)).toEqual([]);
    expect(all.filter((call) => answerTo(filter, call, i386) !== refused)).toEqual([]);
  },
);
