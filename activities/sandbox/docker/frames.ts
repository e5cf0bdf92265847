// The output of a command as the engine sends it: pieces of stdout and stderr, each behind eight bytes that say which
// and how long; and at the end of stderr what the script around the command reports.

/** Takes the engine's bytes as they come and gives each piece on at once, however small or large pieces are. */
export function createFrames(onPiece: (from: 'stdout' | 'stderr', bytes: Buffer) => void): {
  take(bytes: Buffer): void;
} {
  const header = Buffer.alloc(8);
  let headerLength = 0;
  let left = 0;
  return {
    take(bytes) {
      for (let at = 0; at < bytes.length; ) {
        if (left === 0) {
          const copied = bytes.copy(header, headerLength, at, at + 8 - headerLength);
          headerLength += copied;
          at += copied;
          if (headerLength < 8) return;
          headerLength = 0;
          left = header.readUInt32BE(4);
          continue;
        }
        const piece = bytes.subarray(at, at + left);
        at += piece.length;
        left -= piece.length;
        onPiece(header[0] === 2 ? 'stderr' : 'stdout', piece);
      }
    },
  };
}

export interface Report {
  take(bytes: Buffer): void;
  /** Nothing more comes: what may have been the beginning of a mark was none. */
  end(): void;
  /** Undefined until it is whole. */
  text(): string | undefined;
}

/** Parts the report from what the command itself wrote to stderr: it stands between two marks that only we know. */
export function createReport(mark: string, onOutput: (bytes: Buffer) => void): Report {
  let held: Buffer = Buffer.alloc(0);
  let report: string | undefined;
  return {
    take(bytes) {
      if (report !== undefined) {
        report += bytes.toString('utf8');
        return;
      }
      const all = Buffer.concat([held, bytes]);
      const begins = all.indexOf(mark);
      if (begins === -1) {
        const mayBe = beginningOf(mark, all);
        held = all.subarray(all.length - mayBe);
        if (all.length > mayBe) onOutput(all.subarray(0, all.length - mayBe));
        return;
      }
      if (begins > 0) onOutput(all.subarray(0, begins));
      held = Buffer.alloc(0);
      report = all.subarray(begins + mark.length).toString('utf8');
    },
    end() {
      if (held.length > 0) onOutput(held);
      held = Buffer.alloc(0);
    },
    text: () => (report?.includes(mark) === true ? report.slice(0, report.indexOf(mark)) : undefined),
  };
}

/** How many of the last bytes are the first ones of the mark. */
function beginningOf(mark: string, bytes: Buffer): number {
  for (let length = Math.min(mark.length - 1, bytes.length); length > 0; length -= 1) {
    if (bytes.subarray(bytes.length - length).equals(Buffer.from(mark.slice(0, length)))) return length;
  }
  return 0;
}
