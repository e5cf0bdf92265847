// The API's description against the recommended rules of the two linters that people run on it.
import { createConfig, lintFromString } from '@redocly/openapi-core';
import spectral from '@stoplight/spectral-core';
import rulesets from '@stoplight/spectral-rulesets';
import { describedApi } from './support/described-api.ts';

// Spectral takes an example with a field named `default` for a schema with a default.
const mistaken =
  'oas3-valid-schema-example paths./api/v1/models.get.responses.200.content.application/json.example.default';

// Spectral reads patterns outside of Unicode mode, where `\p{L}` is no class of characters.
const isUnicodePattern = /must match pattern ".*\\p\{/;

/** One line for each thing that a rule finds wrong; warnings count too. */
export async function lintDescription(): Promise<string[]> {
  const source = await describedApi();
  const config = await createConfig({ extends: ['recommended'] });
  const redocly = await lintFromString({ source, config, absoluteRef: 'openapi.json' });
  const linter = new spectral.Spectral();
  linter.setRuleset({ extends: [[rulesets.oas as never, 'recommended']] });
  const found = await linter.run(JSON.parse(source) as Record<string, unknown>);
  return [
    ...redocly.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer ?? ''} ${message}`),
    ...found
      .map(({ code, message, path }) => ({ at: `${code} ${path.join('.')}`, message }))
      .filter(({ at, message }) => at !== mistaken && !isUnicodePattern.test(message))
      .map(({ at, message }) => `${at} ${message}`),
  ];
}
