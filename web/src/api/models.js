import { request } from './http.js';

export const listModels = () => request('GET', 'models');
export const listPersonas = () => request('GET', 'personas');
