// API configurations: which models the user can talk to, with whose key.
import { request } from './http.js';

export const listConfigurations = () => request('GET', 'user/apis');
export const createConfiguration = (body) => request('POST', 'user/apis', { body });
export const updateConfiguration = (id, body) => request('PUT', `user/apis/${id}`, { body });
export const deleteConfiguration = (id) => request('DELETE', `user/apis/${id}`);
export const testConfiguration = (id) => request('POST', `user/apis/${id}/test`, { body: {} });
