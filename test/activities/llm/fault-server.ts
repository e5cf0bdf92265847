// A server that plays a script: bytes, pauses, and how its socket ends. For all that model servers do on the wire.
import type { Answer } from './raw-server.ts';

/** A text is written, a number is a pause in milliseconds. */
export type Script = (string | number)[];

export interface Played {
  status?: number;
  type?: string;
  script: Script;
  /** `end`: in good order; `reset`: with a TCP reset; `open`: never. */
  socket?: 'end' | 'reset' | 'open';
}

export function plays({ status = 200, type = 'text/event-stream', script, socket = 'end' }: Played): Answer {
  return async (response, request) => {
    response.writeHead(status, { 'content-type': type });
    response.flushHeaders();
    for (const step of script) {
      if (typeof step === 'string') response.write(step);
      await pause(typeof step === 'string' ? 0 : step);
    }
    if (socket === 'end') response.end();
    if (socket !== 'reset') return;
    // A reset overtakes bytes that have not been read.
    await pause(60);
    request.socket.resetAndDestroy();
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (ms === 0) setImmediate(resolve);
    else setTimeout(resolve, ms);
  });
}
