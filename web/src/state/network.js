// Whether the browser believes that it has a network, and whether the page is on screen.
import { signal } from '@preact/signals';

export const online = signal(navigator.onLine);
export const visible = signal(document.visibilityState === 'visible');

addEventListener('online', () => { online.value = true; });
addEventListener('offline', () => { online.value = false; });
document.addEventListener('visibilitychange', () => {
  visible.value = document.visibilityState === 'visible';
});
