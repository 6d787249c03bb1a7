// Prints a chat: all of the branch on screen, which is loaded for it.
import { batch } from '@preact/signals';
import { listMessages } from '../api/messages.js';
import { fromWire, merged } from '../state/message.js';
import { notifyError } from '../state/notices.js';

async function loadAll(chat) {
  const known = new Map(chat.messages.peek().map((message) => [message.id, message]));
  const rows = [];
  for (let more = true, cursor; more;) {
    const page = await listMessages(chat.id, { leaf: chat.leaf || undefined, cursor, limit: 100 });
    rows.unshift(...page.data);
    ({ cursor, has_more: more } = page);
  }
  if (chat.closed || chat.busy.peek()) return;
  batch(() => {
    chat.messages.value = rows.map((row) => merged(known.get(row.id), fromWire(row)));
    chat.hasOlder.value = false;
    chat.hasNewer.value = false;
  });
}

export async function printChat(chat) {
  try {
    if (!chat.busy.peek() && (chat.hasOlder.peek() || chat.hasNewer.peek())) await loadAll(chat);
    requestAnimationFrame(() => setTimeout(print)); // when it is there
  } catch (error) {
    notifyError(error);
  }
}
