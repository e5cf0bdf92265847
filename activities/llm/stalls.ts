// How long a call of a model may be silent, and how long it may take: by provider and model, and more with each attempt.

export interface Stalls {
  /** Silence before the first part of an answer, and inside thinking. */
  firstMs: number;
  /** Silence in an answer that has begun. */
  betweenMs: number;
  /** Silence in a tool call that has begun. */
  callMs: number;
  /** All the waiting of one call, whatever keeps its connection alive. */
  totalMs: number;
}

/** Settings for some models, in seconds. */
export interface ModelSeconds {
  first?: number | undefined;
  between?: number | undefined;
  call?: number | undefined;
  total?: number | undefined;
}

/** By `provider/model`, `provider/*` or `*`; the narrower goes first, for each of the four. */
export type ModelSecondsOverlay = Record<string, ModelSeconds>;

export const usualStalls: Stalls = {
  // Servers without keep-alives are silent while they load a model (Ollama: up to 5 minutes) and read the prompt: 100,000
  // tokens at 200 a second take over 8 minutes.
  firstMs: 600_000,
  // Tokens come many times a second; but a server that hands a call over as a whole is silent while it is written: 9,000
  // tokens at 50 a second.
  betweenMs: 180_000,
  // A whole file as one argument: 30,000 tokens at 50 a second.
  callMs: 600_000,
  // The longest answers with thinking take about twenty minutes.
  totalMs: 1_500_000,
};

// An attempt of the activity ends after 30 minutes: ours ends before it, and says why.
export const longestTotalMs = 29 * 60_000;

// What took twice as long as it should is slow, what took four times as long is not going to come.
const mostGrowth = 4;

export function stallsFor(
  usual: Stalls,
  overlay: ModelSecondsOverlay,
  provider: string,
  { model, attempt = 1 }: { model: string; attempt?: number | undefined },
): Stalls {
  const rows = [`${provider}/${model}`, `${provider}/*`, '*'].flatMap((name) =>
    Object.hasOwn(overlay, name) ? [overlay[name] ?? {}] : [],
  );
  const growth = Math.min(Math.max(attempt, 1), mostGrowth);
  const ms = (key: keyof ModelSeconds, usualMs: number): number => {
    const seconds = rows.map((row) => row[key]).find((each) => each !== undefined);
    return Math.min((seconds === undefined ? usualMs : seconds * 1000) * growth, longestTotalMs);
  };
  return {
    firstMs: ms('first', usual.firstMs),
    betweenMs: ms('between', usual.betweenMs),
    callMs: ms('call', usual.callMs),
    totalMs: ms('total', usual.totalMs),
  };
}
