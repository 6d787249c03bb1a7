// How the page looks on this device.
import { effect, signal } from '@preact/signals';
import { readPreference, writePreference } from './storage.js';

function preference(name, initial) {
  const value = signal(readPreference(name) ?? initial);
  effect(() => writePreference(name, value.value));
  return value;
}

/** `system`, `light` or `dark`; `system` or `more`. */
export const theme = preference('theme', 'system');
export const contrast = preference('contrast', 'system');
export const wrapCode = preference('wrap_code', false);
export const sidebarOpen = preference('sidebar', true);
/** Enter sends, or starts a new line (then Ctrl+Enter sends). */
export const enterSends = preference('enter_sends', true);

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
effect(() => {
  document.documentElement.dataset.contrast = contrast.value;
});
