// What somebody does in a chat: open it, send, stop, retry, edit. One conversation is open at a time.
import { batch, effect, signal } from '@preact/signals';
import { stopReply } from '../api/messages.js';
import { untilReached } from '../api/retry.js';
import { Conversation } from './conversation.js';
import { EMPTY_DRAFT, readDraft, writeDraft } from './drafts.js';
import { newKey } from './message.js';
import { visible } from './network.js';
import { notifyError } from './notices.js';
import { addToOutbox, outboxOf } from './outbox.js';
import { chatLink, replaceAddress } from './route.js';
import { followSessions, refreshSessions, sessionOf, sessionStarted } from './sessions.js';
import { onTabs, tellTabs } from './tabs.js';
import { Turn } from './turn.js';

export const conversation = signal(new Conversation(''));
/** A text that goes back to the composer: {sessionId, text}; a message that was refused must not be lost. */
export const returned = signal(null);

/** Shows a session; '' is a new chat. */
export async function openConversation(id, target = 0) {
  const before = conversation.peek();
  if (before.id === id && id && before.status.peek() === 'ready') {
    if (!target) return;
    before.target.value = 0;
    await before.open(target);
    return;
  }
  before.close();
  const opened = new Conversation(id);
  conversation.value = opened;
  if (!id) return;
  await opened.open(target);
  if (opened.closed) return;
  const unsent = outboxOf(id);
  if (unsent.length && opened.error.value?.status === 404) opened.status.value = 'ready'; // its first message is unsent
  if (opened.status.value !== 'ready') return;
  if (unsent.length) deliver(opened, unsent[0]);
  else joinRunning(opened);
}

const newSessionId = () => `chat-${crypto.randomUUID()}`;

/** Gives a new chat its id, which its first message brings to the server. */
export function nameConversation(chat, id = newSessionId()) {
  writeDraft(id, readDraft(''));
  writeDraft('', EMPTY_DRAFT);
  chat.id = id;
  if (conversation.peek() === chat) replaceAddress(chatLink(id));
}

const localMessage = (more) => ({
  key: newKey(), id: null, reasoning: '', fileIds: [], siblings: [], createdAt: new Date().toISOString(), ...more,
});

const localReply = (modelName) => localMessage({ role: 'assistant', content: '', status: 'streaming', modelName });

/** Sends a message. `request`: {message, model_name, persona?, file_ids?, parent_id?}. */
export function sendText(chat, request) {
  if (!chat.id) nameConversation(chat);
  if (chat.leaf && request.parent_id === undefined) {
    const last = chat.messages.value.findLast((message) => message.role === 'assistant' && message.id)?.id;
    if (last) request = { ...request, parent_id: chat.hasNewer.value ? chat.leaf : last };
  }
  if (!sessionOf(chat.id)?.MessageCount) sessionStarted(chat.id, request);
  start(chat, { session_id: chat.id, ...request });
}

function start(chat, body, kept = chat.messages.peek()) {
  const entry = { key: crypto.randomUUID(), at: Date.now(), body };
  addToOutbox(entry);
  deliver(chat, entry, kept);
}

function deliver(chat, entry, kept = chat.messages.peek()) {
  const { message, regenerate, file_ids: fileIds = [], model_name: modelName } = entry.body;
  const asked = regenerate ? [] : [localMessage({ role: 'user', content: message, status: 'complete', fileIds })];
  const reply = localReply(modelName);
  const turn = new Turn(chat, reply.key, {
    onBegun: () => tellTabs('session', { sessionId: chat.id }),
    onEnd: (end) => finish(chat, reply.key, asked[0]?.key, end),
  });
  chat.leaf = 0;
  batch(() => {
    chat.hasNewer.value = false;
    chat.messages.value = [...kept, ...asked, { ...reply, live: turn.live }];
    chat.turn.value = turn;
  });
  turn.send(entry);
}

const statusOf = (frame) => {
  if (!frame) return 'complete';
  if (frame.error) return frame.code === 'interrupted' ? 'interrupted' : 'error';
  return frame.finish_reason === 'stopped' ? 'stopped' : 'complete';
};

/** A turn is over: what the page knows stays, then the server's state is asked for. */
async function finish(chat, replyKey, askedKey, { frame, error, content, reasoning, seconds, entry }) {
  batch(() => {
    chat.turn.value = null;
    const shown = chat.messages.value.find((message) => message.key === replyKey);
    if (shown) {
      chat.update(replyKey, {
        live: undefined, id: frame?.message_id ?? shown.id, content, reasoning, reasoningSeconds: seconds,
        status: error ? 'error' : statusOf(frame), finishReason: frame?.finish_reason, usage: frame?.usage,
        error: error ?? frameError(frame), endedHere: true,
      });
    }
    if (frame?.user_message_id) chat.update(askedKey, { id: frame.user_message_id });
  });
  if (error) await undo(chat, entry, error, replyKey);
  else await refreshSurely(chat);
  tellTabs('session', { sessionId: chat.id });
  refreshSessions();
}

/** What the server has, as soon as it can be asked. */
const refreshSurely = (chat) => untilReached(() => chat.refresh(), () => chat.closed).catch(() => {});

const frameError = (frame) => (frame?.error ? { message: frame.error, code: frame.code } : undefined);

/** The server refused a message. When it was stored all the same (the model failed), it is shown with the error; if
 * not, the text goes back to the composer. */
async function undo(chat, entry, error, replyKey) {
  const newest = Math.max(0, ...chat.messages.value.map((message) => message.id ?? 0));
  chat.messages.value = chat.messages.value.filter((message) => message.id !== null);
  await refreshSurely(chat);
  const stored = chat.messages.value.filter((message) => message.id > newest);
  const reply = stored.findLast((message) => message.role === 'assistant');
  if (reply) {
    chat.update(reply.key, { error, endedHere: true });
    return;
  }
  notifyError(error);
  if (entry && !entry.body.regenerate) returned.value = { sessionId: chat.id, text: entry.body.message };
}

/** Follows the reply that runs at the end of the window, if there is one. */
export function joinRunning(chat) {
  const last = chat.messages.peek().at(-1);
  if (chat.turn.peek() || last?.status !== 'streaming' || last.id === null) return;
  const turn = new Turn(chat, last.key, { onEnd: (end) => finish(chat, last.key, undefined, end) });
  turn.live.content.value = last.content;
  batch(() => {
    chat.update(last.key, { live: turn.live });
    chat.turn.value = turn;
  });
  turn.join(last.id);
}

export async function stop(chat) {
  try {
    await stopReply(chat.id);
  } catch (error) {
    notifyError(error);
  }
}

/** A new reply beside this one. */
export function retry(chat, reply, modelName) {
  const at = chat.messages.peek().indexOf(reply);
  start(chat, { session_id: chat.id, model_name: modelName, message: '', regenerate: reply.id },
    chat.messages.peek().slice(0, at));
}

/** The message anew, beside the old one, and a reply to it. */
export function edit(chat, message, text, modelName) {
  const at = chat.messages.peek().indexOf(message);
  const body = { session_id: chat.id, model_name: modelName, message: text, parent_id: message.parentId ?? 0 };
  if (message.fileIds.length) body.file_ids = message.fileIds;
  start(chat, body, chat.messages.peek().slice(0, at));
}

export async function showBranch(chat, siblingId) {
  try {
    await chat.showBranch(siblingId);
    joinRunning(chat);
  } catch (error) {
    notifyError(error);
  }
}

async function catchUp(chat) {
  if (chat.turn.peek() || !chat.id) return;
  await chat.refresh().catch(() => {});
  joinRunning(chat);
}

effect(() => {
  const turn = conversation.value.turn.value;
  if (!visible.value) {
    turn?.pause();
  } else {
    turn?.resume();
  }
});
visible.subscribe((shown) => {
  if (shown) catchUp(conversation.peek());
});
onTabs('session', ({ sessionId }) => {
  followSessions();
  if (conversation.peek().id === sessionId && visible.peek()) catchUp(conversation.peek());
});
