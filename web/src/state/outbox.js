// Messages that were written and that the server has not confirmed. They survive a refresh, and are sent again with the
// same key, so that the server takes each once.
import { readStored, writeStored } from './storage.js';

/** After this long the server may have forgotten the key. */
const AGE_MAX = 12 * 3600 * 1000;

const read = () => (readStored('outbox') ?? []).filter((entry) => Date.now() - entry.at < AGE_MAX);

/** An entry: {key, at, body (the request)}. */
export function addToOutbox(entry) {
  writeStored('outbox', [...read(), entry]);
}

export function removeFromOutbox(key) {
  writeStored('outbox', read().filter((entry) => entry.key !== key));
}

export const outboxOf = (sessionId) => read().filter((entry) => entry.body.session_id === sessionId);
export const outbox = read;
