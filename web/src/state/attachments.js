// Files that go with the next message: uploaded as soon as they are chosen.
import { signal } from '@preact/signals';
import { deleteFile, uploadFile } from '../api/files.js';
import { createSession } from '../api/sessions.js';
import { nameConversation } from './chat.js';
import { modelOf, personaOf } from './choice.js';
import { refreshSessions } from './sessions.js';

/** {key, name, size, status: 'uploading'|'ready'|'failed', progress, id?, preview?, error?} */
export const attachments = signal([]);
const aborts = new Map();
let lastKey = 0;

function update(key, changes) {
  attachments.value = attachments.value.map((file) => (file.key === key ? { ...file, ...changes } : file));
}

let naming;

/** A file belongs to a session; a new chat gets one for its first. */
async function sessionFor(chat) {
  if (chat.id) return chat.id;
  naming ??= createSession({ model_name: modelOf(chat), persona: personaOf(chat) || undefined })
    .then(({ session_id: id }) => {
      nameConversation(chat, id);
      refreshSessions();
    })
    .finally(() => { naming = undefined; });
  await naming;
  return chat.id;
}

async function upload(chat, file, key) {
  const abort = new AbortController();
  aborts.set(key, abort);
  try {
    const sessionId = await sessionFor(chat);
    const answer = await uploadFile(sessionId, file, {
      signal: abort.signal,
      onProgress: (progress) => update(key, { progress }),
    });
    update(key, { status: 'ready', id: answer.file_id, progress: 1 });
  } catch (error) {
    if (error.name !== 'AbortError') update(key, { status: 'failed', error: error.message });
  } finally {
    aborts.delete(key);
  }
}

export function attachFiles(chat, files) {
  for (const file of files) {
    lastKey += 1;
    const key = `file-${lastKey}`;
    const preview = /^image\/(png|jpeg|gif|webp)$/.test(file.type) ? URL.createObjectURL(file) : undefined;
    attachments.value = [...attachments.value, {
      key, name: file.name, size: file.size, status: 'uploading', progress: 0, preview,
    }];
    upload(chat, file, key);
  }
}

export function removeAttachment(file) {
  aborts.get(file.key)?.abort();
  if (file.id) deleteFile(file.id).catch(() => {}); // the session's end removes it as well
  if (file.preview) URL.revokeObjectURL(file.preview);
  attachments.value = attachments.value.filter((other) => other.key !== file.key);
}

/** The message took them along. */
export function clearAttachments() {
  attachments.value = [];
}

/** Files of a draft are on the server already. */
export function showDraftFiles(chat, files) {
  if (attachments.value.some((file) => file.status === 'uploading')) return; // a new chat has got its id just now
  attachments.value = files.map((file) => ({ key: `stored-${file.id}`, status: 'ready', progress: 1, ...file }));
}
