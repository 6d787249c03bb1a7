// What this browser keeps. Every access may fail (private windows, full storage): then it is as if nothing was kept.
const PREFIX = 'tidetalk.';
let closed = false;

export function readStored(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? undefined;
  } catch {
    return undefined;
  }
}

export function writeStored(name, value) {
  if (closed) return;
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // The page works without it.
  }
}

/** Removes everything that belongs to the user who logs out; preferences of the device stay. */
export function clearStored() {
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(PREFIX) && !key.startsWith(`${PREFIX}preference.`)) localStorage.removeItem(key);
    }
  } catch {
    // As above.
  }
}

/** The same, and nothing is kept any more until the page is loaded again. */
export function closeStorage() {
  clearStored();
  closed = true;
}

export const readPreference = (name) => readStored(`preference.${name}`);
export const writePreference = (name, value) => writeStored(`preference.${name}`, value);
