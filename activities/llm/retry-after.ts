// How long a provider asks us to wait, from whichever of the four places it says so.

// A provider that asks for more is down for the day; the retry policy decides then, not its header.
const longestWaitMs = 3_600_000;

export function retryAfterOf(headers: Record<string, string>, body: string | undefined): number | undefined {
  const waits = [
    fromMilliseconds(headers['retry-after-ms']),
    fromRetryAfter(headers['retry-after']),
    fromGoogleBody(body),
  ];
  const wait = waits.find((ms) => ms !== undefined && Number.isFinite(ms) && ms >= 0);
  return wait === undefined ? undefined : Math.min(Math.ceil(wait), longestWaitMs);
}

function fromMilliseconds(value: string | undefined): number | undefined {
  return value === undefined || value.trim() === '' ? undefined : Number(value);
}

function fromRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined || value.trim() === '') return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return seconds * 1000;
  const at = Date.parse(value);
  // A date that has passed means now.
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/** Gemini sends no header: its wait is `"retryDelay": "34s"` inside the error's details. */
function fromGoogleBody(body: string | undefined): number | undefined {
  const seconds = body === undefined ? undefined : /"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"/.exec(body)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
