// What a command needs of the world around it, handed in so that only main.ts touches the process itself.
import type { Client } from '../client/client.ts';
import type { PromptInput } from './prompt-source.ts';
import type { Output } from './terminal/output.ts';
import type { Terminal } from './terminal/prompt.ts';

export interface Surroundings {
  environment: Record<string, string | undefined>;
  /** The directory the command was called in. */
  folder: string;
  output: Output;
  stdin: PromptInput;
  /** Where a person reads and types; there only when both ends are a terminal. */
  terminal?: Terminal;
  /** Calls the listener for each Ctrl-C instead of ending the process; the answer stops that. */
  onInterrupt(listener: () => void): () => void;
}

/** What every command gets: the surroundings, the server found on first use, and a place for the exit code. */
export interface Cli extends Surroundings {
  client(): Client;
  dataFolder(): string | undefined;
  /** The server that was found is on the machine of this command: paths mean the same to both. */
  onThisMachine(): boolean;
  exitWith(code: number): void;
}
