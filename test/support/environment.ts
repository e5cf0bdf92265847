// Takes the developer's own settings out of the environment of a test file: a result must not depend on the machine,
// and no test may reach a paid model because a key happens to be set.
import { settings } from '../../worker/config/settings.ts';

for (const { variable } of settings) {
  delete process.env[variable];
  delete process.env[`${variable}_FILE`];
}
for (const name of Object.keys(process.env).filter((each) => each.startsWith('PERDURE_'))) {
  delete process.env[name];
}
