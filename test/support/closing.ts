// How long what a test has ended may take to be gone: processes, connections. The wait is over as soon as it is, so this is
// only what a loaded machine needs at most; tests of the leak checks say less.
export const closingMs = Number(process.env['CLOSING_MS'] ?? 10_000);
