// Which message is being edited: its key, or ''.
import { signal } from '@preact/signals';

export const editing = signal('');
