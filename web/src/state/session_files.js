// The files of the session on screen, by id: names, and what was read of them.
import { signal } from '@preact/signals';
import { listFiles } from '../api/files.js';

/** {sessionId, files: Map of id to UploadedFile} */
const known = signal({ sessionId: '', files: new Map() });
let asked = '';

/** The file, or undefined while it is not known. Asks for the list when it lacks the id. */
export function sessionFile(sessionId, id) {
  const { sessionId: of, files } = known.value;
  if (of === sessionId && files.has(id)) return files.get(id);
  const question = `${sessionId}/${id}`;
  if (asked !== question) {
    asked = question;
    loadSessionFiles(sessionId).catch(() => {});
  }
  return undefined;
}

export async function loadSessionFiles(sessionId) {
  const { data } = await listFiles(sessionId);
  known.value = { sessionId, files: new Map(data.map((file) => [file.ID, file])) };
}

export const isImage = (file) => /^\.(png|jpe?g|gif|webp)$/i.test(file.FileType);
