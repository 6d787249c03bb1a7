import { request, send } from './http.js';

const path = (id) => `chat/sessions/${encodeURIComponent(id)}`;

/** A page of a session's messages; `query`: limit, leaf, and cursor, around or after. */
export const listMessages = (sessionId, query) => request('GET', `${path(sessionId)}/messages`, { query });

/** Sends a message; the answer is a stream. The same `key` again does nothing twice. */
export const sendMessage = (body, key, signal) =>
  send('POST', 'chat/message/stream', { body, headers: { 'Idempotency-Key': key }, signal });

/** The stream of a reply, from a position (`<message id>.<position>`) on. */
export const resumeReply = (sessionId, after, signal) =>
  send('GET', `${path(sessionId)}/stream`, { query: { after }, signal });

export const stopReply = (sessionId) => request('POST', `${path(sessionId)}/stop`, { body: {} });
