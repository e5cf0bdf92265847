// What every process of tests is told, whatever starts it: a run that says nothing of it works in mount, as on a machine
// without a sandbox.
// And it pays for no title: servers with a provider's format count what they are asked.
export const testSettings = { PERDURE_SANDBOX_UNATTENDED: 'mount', PERDURE_TITLES: 'off' };
