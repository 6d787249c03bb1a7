// What lies over the chat at the moment: the drawer of a small screen, the search, the list of keys.
import { signal } from '@preact/signals';

export const drawerOpen = signal(false);
export const searchOpen = signal(false);
export const shortcutsOpen = signal(false);
