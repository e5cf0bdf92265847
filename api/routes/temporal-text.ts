// The texts of a workflow as Temporal's Web UI shows them: it frames a page at /render that makes HTML of their Markdown.
// Below a public path the Web UI has no such page, so this one stands in its place. It knows as much of Markdown as the
// details of a run use (upkeep/run-kind.ts) and shows everything else as it was written.
import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Parts } from '../parts.ts';
import { refuseOtherOrigins } from '../plugins/temporal-login.ts';

const style =
  'body{margin:0;padding:1rem;font-family:sans-serif;white-space:pre-wrap;overflow-wrap:anywhere;background:#fff;color:#121416}' +
  'a{color:#444ce7}.dark{background:#000;color:#f8fafc}.dark a{color:#8098f9}';

const policy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
  // No script: the Web UI measures the height of the text, and a link opens a page of its own.
  'sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox',
].join('; ');

const Query = z.object({ content: z.string().catch(''), theme: z.string().catch('') });

/** It needs no login: it only shows what the request contains. */
export function temporalTextRoutes(app: FastifyInstance, { temporalUi }: Parts): void {
  if ('problem' in temporalUi) return;
  app.get('/render', { schema: { hide: true }, exposeHeadRoute: false }, async (request, reply) => {
    refuseOtherOrigins(request);
    const { content, theme } = Query.parse(request.query);
    return reply
      .headers({ 'content-security-policy': policy, 'x-frame-options': 'SAMEORIGIN' })
      .type('text/html; charset=utf-8')
      .send(pageOf(content, theme === 'dark'));
  });
}

function pageOf(content: string, isDark: boolean): string {
  const body = escaped(content)
    .replaceAll(/`([^`\n]*)`/g, '<code>$1</code>')
    // Only links to a run on our own page: any other link could lead anywhere.
    .replaceAll(
      /\[([^\]\n]*)\]\((\/#run=[0-9a-f-]{36})\)/g,
      '<a href="$2" target="_blank" rel="noopener">$1</a>',
    );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Text</title><style>${style}</style><body${isDark ? ' class="dark"' : ''}>${body}</body></html>`;
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (sign) => entities[sign] ?? sign);
}
