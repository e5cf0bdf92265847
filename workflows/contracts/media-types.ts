// What a file is, by its name and, where that says nothing, by its beginning. No zod: the command line loads it.

const byEnding: Record<string, string> = {
  ...{ png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp' },
  ...{ pdf: 'application/pdf', json: 'application/json', xml: 'application/xml', csv: 'text/csv' },
  ...{ md: 'text/markdown', txt: 'text/plain', log: 'text/plain', html: 'text/html', css: 'text/css' },
  ...{ yaml: 'application/yaml', yml: 'application/yaml', toml: 'application/toml', svg: 'image/svg+xml' },
  ...{ zip: 'application/zip', gz: 'application/gzip', tar: 'application/x-tar' },
  ...{ mp3: 'audio/mpeg', wav: 'audio/wav', mp4: 'video/mp4' },
};

/** `start`: its first bytes. */
export function mediaTypeOf(name: string, start: Uint8Array): string {
  const ending = /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? '';
  const known = Object.hasOwn(byEnding, ending) ? byEnding[ending] : undefined;
  return known ?? (isText(start) ? 'text/plain' : 'application/octet-stream');
}

function isText(start: Uint8Array): boolean {
  if (start.includes(0)) return false;
  try {
    // The last character may be cut.
    new TextDecoder('utf-8', { fatal: true }).decode(start, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** What a model reads as text. */
export function isTextType(mediaType: string): boolean {
  return /^(text\/|image\/svg\+xml|application\/(.*\+)?(json|xml|javascript|ecmascript|yaml|x-yaml|toml|x-sh)$)/.test(
    mediaType,
  );
}
