// The settings of what a model is sent, and of what its server takes.
import { z } from 'zod';
import { byModel, modelProfile, note } from './setting-kinds.ts';

export const contextSettings = {
  keepState: z
    .enum(['on', 'off'])
    .default('off')
    .meta(
      note(
        'Whether the state of each run that has ended is kept as one document of JSON beside its rows: `GET /runs/{id}?include=state` says where. It takes about as much room again as the messages.',
      ),
    ),
  modelProfiles: byModel(modelProfile)
    .default({})
    .meta(
      note(
        'What the server of a model takes, by provider/model or provider/*, where its address does not tell: a profile, the longest answer, the context window, single fields; JSON in the environment.',
        { example: '{"compatible/*": {"profile": "vllm", "contextWindow": 32768}}' },
      ),
    ),
  contextWindow: z
    .int()
    .min(1_000)
    .max(10_000_000)
    // What most models that can work with tools have at least.
    .default(128_000)
    .meta(
      note(
        'The context window in tokens of a model of which none is known; at 80 percent of it a conversation is summed up. Set it to what your own server was started with.',
      ),
    ),
  projectText: z
    .enum(['on', 'off'])
    .default('on')
    .meta(
      note(
        'Agents are told what AGENTS.md, CLAUDE.md, GEMINI.md, .github/copilot-instructions.md and .cursorrules of their project say, 32 KB at most; off leaves it to them to read these.',
      ),
    ),
};
