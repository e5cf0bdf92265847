// What a server says about an error, out of every envelope it may come in: with a status of refusal, inside a stream
// that had begun well, or as a document where a stream was due.
import { isObject, type Json, objectsIn, parsed, textOr } from './json.ts';

export interface Complaint {
  /** The HTTP status, or the numeric code that stands for it. */
  status: number | undefined;
  /** Its code, type, status and reason words in lower case. */
  code: string;
  /** The server's own words. */
  message: string;
}

// A server's page or an echoed request must not travel on. Events, runs and logs cut at 500, once secrets are out: a cut
// here that they could show might leave half of one.
const longestMessage = 2_000;
const silent = 'reported an error without saying which';

/** What a value complains of, or undefined when it is no error. `surely`: it came in a place where only errors come. */
export function complaintIn(value: unknown, surely = false): Complaint | undefined {
  // Gemini wraps its error document in an array.
  if (Array.isArray(value)) {
    const [first] = value.flatMap((each) => complaintIn(each, surely) ?? []);
    return first ?? (surely ? toComplaint({}, '') : undefined);
  }
  if (typeof value === 'string') return surely ? toComplaint({}, value) : undefined;
  if (!isObject(value)) return surely ? toComplaint({}, '') : undefined;
  const inner = envelopeOf(value);
  if (inner !== undefined) return unwrap(inner, value);
  const isError = surely || value['object'] === 'error' || value['type'] === 'error';
  return isError ? toComplaint(value, messageOf(value)) : undefined;
}

/** What stands in the place of the error: the envelopes of the servers we know. */
function envelopeOf(value: Json): unknown {
  // OpenAI, Anthropic, Gemini and most others; Ollama and LM Studio put a sentence there.
  if (value['error'] !== undefined && value['error'] !== null && value['error'] !== false)
    return value['error'];
  // OpenAI's responses end with an event of their own when they fail.
  const { response } = value;
  if (value['type'] === 'response.failed') return isObject(response) ? (response['error'] ?? {}) : {};
  // OpenRouter reports a failing upstream in the choice.
  const choice = objectsIn(value['choices']).find((each) => isObject(each['error']));
  if (choice !== undefined) return choice['error'];
  // MiniMax has a status in every answer, zero when all is well.
  const base = value['base_resp'];
  if (isObject(base) && typeof base['status_code'] === 'number' && base['status_code'] !== 0) return base;
  // FastAPI (vLLM, SGLang and proxies) and Mistral; gateways list several.
  const isAnswer = ['choices', 'candidates', 'output', 'content'].some((key) => key in value);
  return isAnswer ? undefined : (value['detail'] ?? listOf(value['errors']));
}

function listOf(value: unknown): unknown {
  return Array.isArray(value) && value.length > 0 ? value : undefined;
}

/** The outer object says what the inner one leaves out: `{"error": "…", "code": 500}`. */
function unwrap(inner: unknown, outer: Json): Complaint {
  const told = complaintIn(inner, true) ?? toComplaint({}, '');
  return {
    status: told.status ?? statusIn(outer),
    code: codesIn(outer),
    message: told.message === silent ? toComplaint({}, messageOf(outer)).message : told.message,
  };
}

function messageOf(value: Json): string {
  const keys = ['message', 'msg', 'status_msg', 'error_message', 'detail', 'description', 'title'];
  const said = keys.map((key) => value[key]).find((each) => typeof each === 'string' && each !== '');
  // OpenRouter hides what the upstream said one level deeper.
  const { metadata } = value;
  const raw = isObject(metadata) ? textOr(metadata['raw'], '') : '';
  return [textOr(said, ''), raw].filter((each) => each !== '').join(': ');
}

function toComplaint(value: Json, message: string): Complaint {
  const words = message.trim().slice(0, longestMessage);
  return { status: statusIn(value), code: codesIn(value), message: words === '' ? silent : words };
}

/** A code of three digits is the status it stands for, whatever the stream began with. */
function statusIn(value: Json): number | undefined {
  const keys = ['status', 'statusCode', 'status_code', 'http_code', 'code'];
  const codes = keys.map((key) => value[key]).filter((code) => code !== '' && typeof code !== 'object');
  return codes.map(Number).find((code) => Number.isInteger(code) && code >= 400 && code < 600);
}

/** The words of `code`, `type`, `status` and `reason`, at any depth a provider uses. */
export function codesIn(value: unknown, depth = 0): string {
  // Google nests its reason four levels deep; deeper is not an error document.
  if (depth > 5 || value === null || typeof value !== 'object') return '';
  return Object.entries(value)
    .map(([key, inner]) =>
      ['code', 'type', 'status', 'reason', 'status_code'].includes(key) && typeof inner !== 'object'
        ? String(inner).toLowerCase()
        : codesIn(inner, depth + 1),
    )
    .filter((word) => word !== '')
    .join(' ');
}

/** The complaint of a body that came with a status of refusal. */
export function complaintOf(status: number, statusText: string, body: string): Complaint {
  const value = parsed(body);
  const told = value === undefined ? toComplaint({}, wordsOf(body)) : complaintIn(value, true);
  const message = told === undefined || told.message === silent ? statusText : told.message;
  return {
    // The status of the refusal itself; the body's code may be another number.
    status,
    code: told?.code ?? '',
    message: `${message === '' ? silent : message} (status ${status})`,
  };
}

const longestPage = 16_384;

/** The words of a document that is not JSON: a page's title and text, without its tags. */
export function wordsOf(text: string): string {
  const page = text.slice(0, longestPage);
  const bare = page.trimStart().startsWith('<')
    ? page.replace(/<(style|script)\b[^>]{0,999}>[^<]{0,9999}/gi, ' ').replace(/<[^>]{0,999}>/g, ' ')
    : page;
  return bare.replace(/\s+/g, ' ').trim().slice(0, longestMessage);
}
