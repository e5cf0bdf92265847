// The other end of `in-child.ts`: loads the module it is given, calls the function with what it is sent, and answers.
import type { Answer } from './in-child.ts';

const [module = '', name = ''] = process.argv.slice(2);

async function answer(args: unknown[]): Promise<Answer> {
  try {
    const loaded = (await import(module)) as Record<string, (...args: unknown[]) => unknown>;
    return { result: await loaded[name]?.(...args) };
  } catch (error) {
    return { message: (error as Error).message };
  }
}

// The caller has its answer, or is gone.
process.once('disconnect', () => process.exit());
process.once('message', (args: unknown[]) => {
  void answer(args).then((answered) => process.send?.(answered));
});
