// A container as a person runs it: with a project of theirs, and nothing of ours.
import { randomBytes } from 'node:crypto';
import Docker from 'dockerode';
import { giveToAgent, usualDocker } from '../opened.ts';

export interface Theirs {
  docker: Docker;
  name: string;
  /** Shows the project there. */
  start(project: string, at?: string): Promise<Docker.Container>;
  remove(): Promise<void>;
}

export function theirContainer(): Theirs {
  const docker = new Docker({ socketPath: usualDocker().address.replace(/^unix:\/\//, '') });
  const name = `theirs-${randomBytes(4).toString('hex')}`;
  return {
    ...{ docker, name },
    async start(project, at = project) {
      giveToAgent(project);
      const container = await docker.createContainer({
        ...{ name, Image: 'perdure-sandbox', Entrypoint: ['sleep', '3600'], User: '10001:10001' },
        HostConfig: { Binds: [`${project}:${at}`], NetworkMode: 'none' },
      });
      await container.start();
      return container;
    },
    remove: () => docker.getContainer(name).remove({ force: true }),
  };
}
