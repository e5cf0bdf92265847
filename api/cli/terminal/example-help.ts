/** The example in the help of a command, as it is typed; test/api/cli/every-command.test.ts asks for one of each. */
export function exampleHelp(example: string): string {
  return `\nExample:\n  ${example}`;
}
