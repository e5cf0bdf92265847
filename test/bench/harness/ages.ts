// How old things were when they arrived: counts by tenths of a millisecond, so that millions cost no memory.

export interface Ages {
  add(milliseconds: number, count: number): void;
  percentile(share: number): number;
  count(): number;
}

const perMillisecond = 10;
// What is older is a failure whatever its exact age.
const mostMs = 20_000;

export function createAges(): Ages {
  const buckets = new Uint32Array(mostMs * perMillisecond + 1);
  let total = 0;
  return {
    add(milliseconds, count) {
      const bucket = Math.min(buckets.length - 1, Math.max(0, Math.round(milliseconds * perMillisecond)));
      buckets[bucket] = (buckets[bucket] ?? 0) + count;
      total += count;
    },
    percentile(share) {
      let left = share * total;
      const index = buckets.findIndex((count) => {
        left -= count;
        return left <= 0;
      });
      return total === 0 ? Number.NaN : index / perMillisecond;
    },
    count: () => total,
  };
}
