// What somebody has written or attached and not sent yet, for each session; `''` is the new chat.
import { readStored, writeStored } from './storage.js';

const DRAFTS_MAX = 50;
export const EMPTY_DRAFT = { text: '', files: [] };

/** {text, files: [{id, name, size}]} */
export function readDraft(sessionId) {
  const drafts = readStored('drafts') ?? {};
  return Object.hasOwn(drafts, sessionId) ? drafts[sessionId] : EMPTY_DRAFT;
}

export function writeDraft(sessionId, draft) {
  const { [sessionId]: _, ...drafts } = readStored('drafts') ?? {};
  if (draft.text || draft.files.length) drafts[sessionId] = draft;
  writeStored('drafts', Object.fromEntries(Object.entries(drafts).slice(-DRAFTS_MAX)));
}
