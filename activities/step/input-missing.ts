// What the message that began a run carries cannot be had, so the run cannot begin.
export class InputMissing extends Error {
  override name = 'InputMissing';
}
