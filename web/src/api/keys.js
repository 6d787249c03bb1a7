// Personal keys, for programs that speak OpenAI's protocol, and what the user has used.
import { request } from './http.js';

export const listKeys = () => request('GET', 'keys');
export const createKey = (name) => request('POST', 'keys', { body: { name } });
export const deleteKey = (id) => request('DELETE', `keys/${id}`);
export const usage = (from, to) => request('GET', 'usage', { query: { from, to } });
