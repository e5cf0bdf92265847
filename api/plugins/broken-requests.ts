// What cannot even be read as HTTP: answered on the bare socket, since there is no request to answer.
import type { Socket } from 'node:net';
import { v7 as uuid } from 'uuid';
import { type FailureCode, failures } from '../../workflows/contracts/failures.ts';
import type { ProblemView } from '../../workflows/contracts/system.ts';
import { pathOf, problemType } from './errors.ts';
import type { MethodsOf } from './wrong-method.ts';

const reasons: Record<number, string> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

interface BrokenRequest extends Error {
  code?: string;
  /** What came last on the connection. */
  rawPacket?: unknown;
}

export function answerBrokenRequests(error: BrokenRequest, socket: Socket, methodsOf: MethodsOf): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { code, status, detail, allow } = unknownMethod(error, methodsOf) ?? toRefusal(error.code);
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
      ...(allow === undefined ? [] : [`allow: ${allow}`]),
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

interface Refusal {
  code: FailureCode;
  status: number;
  detail: string;
  allow?: string;
}

/** A method that Node does not know, `get` for one: it gives up before it has read the path. */
function unknownMethod({ code, rawPacket }: BrokenRequest, methodsOf: MethodsOf): Refusal | undefined {
  if (code !== 'HPE_INVALID_METHOD') return undefined;
  // A first line that came in several pieces, or behind another request, is not recognised.
  const [, url] =
    /^[!-~]{1,50} (\/[!-~]*) HTTP\/1\.[01]\r\n/.exec(
      Buffer.isBuffer(rawPacket) ? rawPacket.toString('latin1') : '',
    ) ?? [];
  const allow = url === undefined ? undefined : methodsOf(pathOf(url));
  if (allow === undefined) return undefined;
  return { code: 'MethodNotAllowed', status: 405, detail: `This path takes ${allow}.`, allow };
}

function toRefusal(code: string | undefined): Refusal {
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
