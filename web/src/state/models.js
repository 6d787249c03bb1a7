// The models and personas that the user can choose from, and the choice for new chats.
import { computed, signal } from '@preact/signals';
import * as api from '../api/models.js';
import { readStored, writeStored } from './storage.js';

/** [{model_name, provider, builtin}]; [{name, content}] */
export const models = signal([]);
export const personas = signal([]);

const remembered = signal('');

let markLoaded;
/** Resolves when the models are known; who is quicker than that waits for it. */
export const modelsLoaded = new Promise((done) => { markLoaded = done; });

export async function loadModels() {
  const { data } = await api.listModels();
  models.value = data;
  remembered.value = readStored('model') ?? '';
  markLoaded();
}

export async function loadPersonas() {
  personas.value = (await api.listPersonas()).personas;
}

/** The model for a new chat: the one used last, or the user's own, or demo. */
export const defaultModel = computed(() => {
  const names = models.value.map((model) => model.model_name);
  if (names.includes(remembered.value)) return remembered.value;
  return models.value.find((model) => !model.builtin)?.model_name ?? names[0] ?? '';
});

export function rememberModel(name) {
  remembered.value = name;
  writeStored('model', name);
}
