// Tells the other tabs of this browser what changed, so that all of them show the same.
const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('tidetalk') : null;
const handlers = new Map();

channel?.addEventListener('message', ({ data }) => handlers.get(data?.kind)?.(data));

/** kinds: `sessions` (the list), `session` with `sessionId` (its messages), `account` (login or logout) */
export function tellTabs(kind, more = {}) {
  channel?.postMessage({ kind, ...more });
}

export function onTabs(kind, handler) {
  handlers.set(kind, handler);
}
