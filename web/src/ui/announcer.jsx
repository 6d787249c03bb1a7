// What screen readers are told although nothing takes the focus.
import { signal } from '@preact/signals';

const text = signal('');

/** The same text twice must be told twice: it differs by a blank. */
export function announce(message) {
  text.value = text.peek() === message ? `${message}\u00a0` : message;
}

export function Announcer() {
  return <div class="offscreen" role="status" aria-live="polite">{text}</div>;
}
