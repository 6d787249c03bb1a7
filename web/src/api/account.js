import { request } from './http.js';

export const me = () => request('GET', 'me');
export const profile = () => request('GET', 'profile');
export const login = (username, password) => request('POST', 'login', { body: { username, password } });
export const register = (username, password) => request('POST', 'register', { body: { username, password } });
export const logout = () => request('POST', 'logout', { body: {} });

export const updatePassword = (oldPassword, newPassword) =>
  request('POST', 'update-password', { body: { old_password: oldPassword, new_password: newPassword } });
