// A message as the page keeps it. It is never changed, only replaced, so that what shows it can tell by identity.
import { readReasoningTime } from './reasoning_times.js';

let lastKey = 0;

/** A key that stays the same when a message that was written here gets its id. */
export function newKey() {
  lastKey += 1;
  return `new-${lastKey}`;
}

export function fromWire(row) {
  return {
    key: `id-${row.id}`,
    id: row.id,
    role: row.role,
    content: row.content,
    reasoning: row.reasoning,
    reasoningSeconds: readReasoningTime(row.id),
    status: row.status,
    finishReason: row.finish_reason,
    error: row.error && { code: row.error.code, message: row.error.text },
    parentId: row.parent_id,
    siblings: row.siblings,
    fileIds: row.file_ids ?? [],
    modelName: row.model_name,
    createdAt: row.created_at,
    usage: row.usage,
  };
}

const same = (a, b) => a.content === b.content && a.status === b.status
  && a.siblings?.length === b.siblings.length && a.parentId === b.parentId && Boolean(a.usage) === Boolean(b.usage)
  && a.finishReason === b.finishReason;

/** The known message if the server tells nothing new of it, else the new state of it. What only this page knows (its
 * key, the error of a request, how long the model thought) is kept. */
export function merged(known, fresh) {
  if (!known) return fresh;
  if (known.live && fresh.status === 'streaming') return known;
  if (!known.live && same(known, fresh)) return known;
  return {
    ...fresh,
    key: known.key,
    endedHere: known.endedHere,
    error: fresh.error ?? known.error,
    reasoningSeconds: known.reasoningSeconds ?? fresh.reasoningSeconds,
  };
}
