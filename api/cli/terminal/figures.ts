// Numbers as people read them: money, time, sizes.

export function toDollars(micros: number): string {
  if (micros === 0) return '$0';
  // Below a cent the usual two digits would say nothing.
  return `$${(micros / 1_000_000).toFixed(micros < 1_000_000 ? 6 : 2)}`.replace(/(\.\d\d\d*?)0+$/, '$1');
}

/** Dollars as typed, with their sign or without, to micro-dollars; undefined when it is not an amount. */
export function fromDollars(text: string): number | undefined {
  const [, amount] = /^\$?(\d{1,9}(?:\.\d{1,6})?)$/.exec(text) ?? [];
  return amount === undefined ? undefined : Math.round(Number(amount) * 1_000_000);
}

export function toDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How long ago, in words. */
export function toAge(at: string, now = Date.now()): string {
  return `${toSpan(at, now)} ago`;
}

/** The same for a column called AGE. In the largest unit that fits: what is a day old need not be told to the second. */
export function toSpan(at: string, now = Date.now()): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(at)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return plural(Math.floor(seconds / 86_400), 'day');
}

export function toSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const kilobytes = bytes / 1024;
  return kilobytes < 1024 ? `${kilobytes.toFixed(1)} KB` : `${(kilobytes / 1024).toFixed(1)} MB`;
}

export function plural(count: number, word: string): string {
  return `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;
}
