// What an installation says of its containers.
import type { User } from '../tree/stand-ins.ts';

export const mode = 'sandbox';

// Where the owner of a work tree is root, which no command may be: the tree is given to this user instead.
export const agentUser: User = { uid: 10001, gid: 10001 };

export interface DockerNeeds {
  /** Where runs without a project have a folder each. */
  workFolder: string;
  /** For files of ours that commands see. */
  viewFolder: string;
  /** Folders that no command and no tool may see, even in the work tree. */
  hidden: readonly string[];
  /** What of the user's environment reaches commands. */
  variables?: Record<string, string>;
  /** For commands in a person's own container that were allowed by their words: what shuts off what `git` runs by itself. */
  gitSettings?: Record<string, string>;
  docker: DockerSettings;
}

export interface DockerSettings {
  /** Names this installation: letters, digits and dashes. */
  instance: string;
  /** A path, or an address as DOCKER_HOST has it. */
  address: string;
  image: string;
  /** The engine's own choice when left out. */
  runtime?: string | undefined;
  limits: Limits;
  /** How many containers of this installation there may be at once. */
  most: number;
}

export interface Limits {
  memoryBytes: number;
  cpus: number;
  processes: number;
  /** Of the work tree. */
  diskBytes: number;
}
