// What cannot even be read as HTTP: answered on the bare socket, since there is no request to answer.
import type { Socket } from 'node:net';
import { v7 as uuid } from 'uuid';
import { type FailureCode, failures } from '../../workflows/contracts/failures.ts';
import type { ProblemView } from '../../workflows/contracts/system.ts';
import { problemType } from './errors.ts';

const reasons: Record<number, string> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

export function answerBrokenRequests(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { code, status, detail } = toRefusal(error.code);
  const requestId = uuid();
  const problem: ProblemView = {
    type: `/problems/${code}`,
    title: failures[code].title,
    status,
    detail,
    code,
    requestId,
  };
  const body = JSON.stringify(problem);
  socket.end(
    [
      `HTTP/1.1 ${status} ${reasons[status]}`,
      `content-type: ${problemType}`,
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${requestId}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

function toRefusal(code: string | undefined): { code: FailureCode; status: number; detail: string } {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return { code: 'HeadersTooLarge', status: 431, detail: 'Send less than 16 KiB of headers.' };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        code: 'InvalidInput',
        status: 408,
        detail: 'The request did not arrive in time; send it at once.',
      };
    default:
      return { code: 'InvalidInput', status: 400, detail: 'This is not a valid HTTP/1.1 request.' };
  }
}
