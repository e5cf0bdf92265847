// A mistake in the settings; the message is one sentence for the person who made it.
export class ConfigProblem extends Error {
  override name = 'ConfigProblem';
}
