// Takes the developer's own settings out of the environment of a test file: a result must not depend on the machine,
// and no test may reach a paid model because a key happens to be set.
import { settings } from '../../worker/config/settings.ts';
import { testSettings } from './settings-of-tests.ts';

for (const { variable } of settings) {
  delete process.env[variable];
  delete process.env[`${variable}_FILE`];
}
for (const name of Object.keys(process.env).filter((each) => each.startsWith('PERDURE_'))) {
  delete process.env[name];
}

// Results must not depend on whether the machine has a sandbox: a test that is about one names it.
Object.assign(process.env, testSettings);
