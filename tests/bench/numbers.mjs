// What the sections written in JavaScript make of their measurements.
export const sorted = (values) => [...values].sort((a, b) => a - b);

/** Of sorted values; 0.5 is the median. */
export const percentile = (values, p) => values[Math.min(values.length - 1, Math.floor(values.length * p))];
