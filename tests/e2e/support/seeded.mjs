// Random numbers that a seed repeats.

/** mulberry32: () => a number from 0 to 1, small and seeded. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** {below(n), between(a, b), pick(list), fork(n)} */
export function seeded(seed) {
  const random = generator(seed);
  const below = (n) => Math.floor(random() * n);
  return {
    below,
    between: (from, to) => from + below(to - from + 1),
    pick: (list) => list[below(list.length)],
    /** A stream of its own, so that what one does leaves the others alone. */
    fork: (n) => seeded(Math.imul(seed ^ (n + 1), 0x9e3779b1)),
  };
}
