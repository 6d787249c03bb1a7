// Which view is shown, kept in the address after `#`: it survives a refresh and works below any path.
import { signal } from '@preact/signals';

/** Addresses: #/ (a new chat), #/c/SESSION, #/c/SESSION/MESSAGE, #/settings/SECTION. */
function parse(hash) {
  const [view, id, message] = hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  if (view === 'c' && id) return { view: 'chat', sessionId: id, messageId: Number(message) || 0 };
  if (view === 'settings') return { view: 'settings', section: id || 'models' };
  return { view: 'chat', sessionId: '', messageId: 0 };
}

function read() {
  try {
    return parse(location.hash);
  } catch {
    return parse(''); // a malformed escape
  }
}

export const route = signal(read());

addEventListener('hashchange', () => {
  route.value = read();
});

export const chatLink = (sessionId, messageId) =>
  `#/c/${encodeURIComponent(sessionId)}${messageId ? `/${messageId}` : ''}`;
export const settingsLink = (section) => `#/settings/${section}`;

export function go(link) {
  location.hash = link;
  route.value = read(); // at once, and also when the address is the same: asked again, shown again
}

/** Changes the address without leaving the view, as when a new chat gets its id. */
export function replaceAddress(link) {
  history.replaceState(null, '', link);
  route.value = read();
}
