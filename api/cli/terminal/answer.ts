// Writes the answer of a model as a whole: drawn in a terminal, and exactly as it is into a pipe or a file.
import type { Output } from './output.ts';
import { createPen } from './pen.ts';
import { printable } from './printable.ts';

export function showAnswer(output: Output, text: string): void {
  const pen = createPen(output);
  pen.prose(output.isTerminal ? printable(text) : text);
  pen.endLine();
}
