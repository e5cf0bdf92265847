// The longest answer of a model call, in tokens, thinking included: what is reserved for it, and what its server is told.

// A longer answer is rare, and what is reserved for it is kept from other runs: twelve calls with the 128,000 tokens
// that current models can write, at 25 dollars a million, would hold 38 dollars.
const usualLongest = 32_000;

// For a model that is not in the table. Most servers take it; the first refusal that names a shorter one is followed.
const unknownLongest = 16_384;

/** Of which models, the most one answer of theirs can have, and where that can be read. */
interface Family {
  names: RegExp;
  tokens: number;
  source: string;
}

const openai = 'platform.openai.com/docs/models, max output tokens';
const anthropic = 'docs.anthropic.com/en/docs/about-claude/models/overview, max output';
const google = 'ai.google.dev/gemini-api/docs/models, output token limit';
const deepseek = 'api-docs.deepseek.com/quick_start/pricing, max output';

// The first that fits counts. Names as the vendors write them, and as routers do: `anthropic/claude-sonnet-4.5`.
const families: Family[] = [
  { names: /\bgpt-5-chat/, tokens: 16_384, source: openai },
  { names: /\bgpt-5-pro/, tokens: 272_000, source: openai },
  { names: /\bgpt-5/, tokens: 128_000, source: openai },
  { names: /\bo[134](-|$)/, tokens: 100_000, source: openai },
  { names: /\bgpt-4\.1/, tokens: 32_768, source: openai },
  { names: /\b(chat)?gpt-4o/, tokens: 16_384, source: openai },
  { names: /\bgpt-4(-turbo|-\d{4}-preview|-vision)/, tokens: 4_096, source: openai },
  { names: /\bgpt-4/, tokens: 8_192, source: openai },
  { names: /\bgpt-3\.5/, tokens: 4_096, source: openai },
  { names: /\bclaude-3[.-]7/, tokens: 64_000, source: anthropic },
  { names: /\bclaude-3[.-]5/, tokens: 8_192, source: anthropic },
  { names: /\bclaude-3/, tokens: 4_096, source: anthropic },
  { names: /\bclaude-(sonnet|opus|haiku)-4[.-]5/, tokens: 64_000, source: anthropic },
  { names: /\bclaude-(sonnet|opus)-4[.-][678]/, tokens: 128_000, source: anthropic },
  { names: /\bclaude-opus-4/, tokens: 32_000, source: anthropic },
  { names: /\bclaude-sonnet-4/, tokens: 64_000, source: anthropic },
  { names: /\bclaude-(sonnet|opus|haiku)-5/, tokens: 128_000, source: anthropic },
  { names: /\bgemini-(1\.|2\.0)/, tokens: 8_192, source: google },
  { names: /\bgemini-/, tokens: 65_536, source: google },
  { names: /\bdeepseek-reasoner/, tokens: 65_536, source: deepseek },
  { names: /\bdeepseek-chat/, tokens: 8_192, source: deepseek },
];

/** The most the model can write in one answer; undefined where that is not known. */
function ownLongest(model: string): number | undefined {
  const name = model.toLowerCase();
  return families.find(({ names }) => names.test(name))?.tokens;
}

/**
 * `given`: what the configuration says of the model (`longestAnswer` of its profile). `wanted`: the `maxOutputTokens` of
 * the run, which may be longer than usual, yet never longer than what the model can write.
 */
export function longestAnswerOf(
  model: string,
  { given, wanted }: { given?: number | undefined; wanted?: number | undefined },
): number {
  const own = given ?? ownLongest(model);
  if (wanted !== undefined) return Math.min(wanted, own ?? wanted);
  return given ?? Math.min(own ?? unknownLongest, usualLongest);
}
