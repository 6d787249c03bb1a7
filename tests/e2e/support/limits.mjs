// Limits against hanging, nothing else: no test measures time. They are generous because sanitizers
// slow the server down and the machine may be busy with something else.
import nodeTest from 'node:test';

export const HANG_MS = 90_000;

/** What is done before each case of a file. */
export const beforeEachCase = new Set();

const propertiesOnly = process.env.TEST_PLUGINS === '1'; // see plugin_variant.mjs

/** node:test's test with a limit: test(name, body), or test(name, { timeout }, body). */
export function test(name, ...rest) {
  if (propertiesOnly && !/^P\d/.test(name)) return undefined;
  const body = rest.pop();
  return nodeTest(name, { timeout: HANG_MS, ...rest[0] }, async (context) => {
    for (const step of beforeEachCase) await step();
    return body(context);
  });
}

/** The promise's value; an error that says what was waited for when it takes too long. */
export async function within(promise, what, ms = HANG_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took over ${ms / 1000} s: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks again until `probe` answers something true, and returns that. */
export async function eventually(probe, what, ms = HANG_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > end) throw new Error(`did not happen within ${ms / 1000} s: ${what}`);
    await pause(25);
  }
}
