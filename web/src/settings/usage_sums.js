// Usage rows (one per day and model) as sums. Days are those of UTC, as the server counts them.

const DAY = 86400000;

export function daysUntilToday(count, now = Date.now()) {
  return Array.from({ length: count }, (_, i) => new Date(now - (count - 1 - i) * DAY).toISOString().slice(0, 10));
}

const add = (sum, row) => ({ input: sum.input + row.input_tokens, output: sum.output + row.output_tokens });

/** [{date, input, output}], also for days without usage. */
export function byDay(rows, days) {
  const sums = new Map(days.map((date) => [date, { input: 0, output: 0 }]));
  for (const row of rows) if (sums.has(row.date)) sums.set(row.date, add(sums.get(row.date), row));
  return [...sums].map(([date, sum]) => ({ date, ...sum }));
}

/** [{model, input, output}], the most used first. */
export function byModel(rows) {
  const sums = new Map();
  for (const row of rows) sums.set(row.model_name, add(sums.get(row.model_name) ?? { input: 0, output: 0 }, row));
  return [...sums].map(([model, sum]) => ({ model, ...sum }))
    .sort((a, b) => b.input + b.output - a.input - a.output);
}
