import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { openScene, probed } from './engine.ts';

test('an image with volumes, which nothing limits, is refused with what to do', async () => {
  const { docker, needs } = await openScene();
  const name = `perdure-test-${randomBytes(4).toString('hex')}`;
  const made = await docker.createContainer({ Image: needs.docker.image, Cmd: ['true'] });
  await made.commit({ repo: name, changes: 'VOLUME /much' });
  await made.remove();
  onTestFinished(() => docker.getImage(name).remove());
  const { driver } = await openScene({ image: name });
  expect(await probed(driver)).toEqual({
    ok: false,
    why: `The image ${name} declares volumes (/much), whose size nothing limits.`,
    how: 'Name an image without volumes by PERDURE_SANDBOX_IMAGE.',
  });
});
