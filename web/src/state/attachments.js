// Files that go with the next message: uploaded as soon as they are chosen.
import { deleteFile, uploadFile } from '../api/files.js';
import { createSession } from '../api/sessions.js';
import { nameConversation } from './chat.js';
import { modelOf, personaOf } from './choice.js';
import { modelsLoaded } from './models.js';
import { refreshSessions } from './sessions.js';

// A chat's `attachments` are a list of {key, name, size, status: 'uploading'|'ready'|'failed', progress, id?, preview?,
// error?}.

const aborts = new Map();
let lastKey = 0;

function update(chat, key, changes) {
  chat.attachments.value = chat.attachments.value.map((file) => (file.key === key ? { ...file, ...changes } : file));
}

let naming;

/** A file belongs to a session; a new chat gets one for its first. */
async function sessionFor(chat) {
  if (chat.id) return chat.id;
  naming ??= modelsLoaded
    .then(() => createSession({ model_name: modelOf(chat), persona: personaOf(chat) || undefined }))
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
      onProgress: (progress) => update(chat, key, { progress }),
    });
    update(chat, key, { status: 'ready', id: answer.file_id, progress: 1 });
  } catch (error) {
    if (error.name !== 'AbortError') update(chat, key, { status: 'failed', error: error.message });
  } finally {
    aborts.delete(key);
  }
}

export function attachFiles(chat, files) {
  for (const file of files) {
    lastKey += 1;
    const key = `file-${lastKey}`;
    const preview = /^image\/(png|jpeg|gif|webp)$/.test(file.type) ? URL.createObjectURL(file) : undefined;
    chat.attachments.value = [...chat.attachments.value, {
      key, name: file.name, size: file.size, status: 'uploading', progress: 0, preview,
    }];
    upload(chat, file, key);
  }
}

export function removeAttachment(chat, file) {
  aborts.get(file.key)?.abort();
  if (file.id) deleteFile(file.id).catch(() => {}); // the session's end removes it as well
  if (file.preview) URL.revokeObjectURL(file.preview);
  chat.attachments.value = chat.attachments.value.filter((other) => other.key !== file.key);
}

/** Those that are on the server, as a draft keeps them. */
export const readyFiles = (chat) => chat.attachments.value.filter((file) => file.status === 'ready')
  .map(({ id, name, size }) => ({ id, name, size }));

/** Shows the files of a draft. */
export function showDraftFiles(chat, files) {
  chat.attachments.value = files.map((file) => ({ key: `stored-${file.id}`, status: 'ready', progress: 1, ...file }));
}
