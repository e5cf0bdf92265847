// What a container says of itself: by these it is found, also after its worker and its engine were restarted.

export const labels = {
  run: 'perdure.run',
  tenant: 'perdure.tenant',
  /** The installation it belongs to: two on one machine never touch each other's. */
  instance: 'perdure.instance',
  /** By its digest. */
  image: 'perdure.image',
  /** A hash of all that it was made from. */
  spec: 'perdure.spec',
};

/** One for each run of an installation: two workers that make it at once make one. */
export function nameOf(instance: string, runId: string): string {
  return `perdure-${instance}-${runId.replace(/[^\w.-]/g, '-')}`;
}
