import { address, request } from './http.js';

const path = (id) => `chat/sessions/${encodeURIComponent(id)}`;

export const listSessions = (page, pageSize) =>
  request('GET', 'chat/sessions', { query: { page, page_size: pageSize } });

export const createSession = (body) => request('POST', 'chat/session', { body });
export const updateSession = (id, changes) => request('PATCH', path(id), { body: changes });

/** `keepalive`: the request outlives the page. */
export const deleteSession = (id, keepalive) => request('DELETE', path(id), { keepalive });

export const exportAddress = (id, format) => address(`${path(id)}/export`, { format });

export const search = (q, page, signal) => request('GET', 'chat/search', { query: { q, page, page_size: 30 }, signal });
