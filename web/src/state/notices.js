// Short messages at the edge of the page: what happened, and the way back.
import { signal } from '@preact/signals';

const SHOWN_FOR = 6000;
let lastId = 0;

/** {id, text, kind: 'info'|'error', action?: {label, run}} */
export const notices = signal([]);

export function dismiss(id) {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Shows a notice; `onClose` is called when its time is over or somebody closes it. */
export function notify(text, { kind = 'info', action, duration = SHOWN_FOR, onClose } = {}) {
  lastId += 1;
  const notice = { id: lastId, text, kind, action };
  let open = true;
  notice.close = () => {
    if (!open) return;
    open = false;
    dismiss(notice.id);
    onClose?.();
  };
  if (action) {
    notice.action = {
      label: action.label,
      run: () => {
        open = false;
        dismiss(notice.id);
        action.run();
      },
    };
  }
  notices.value = [...notices.value, notice];
  setTimeout(notice.close, duration);
  return notice;
}

export const notifyError = (error) => notify(error.message, { kind: 'error' });
