// Which model and persona a chat talks to.
import { defaultModel, models, personas, rememberModel } from './models.js';
import { changeSession, sessionOf } from './sessions.js';

const isThere = (name) => models.value.some((model) => model.model_name === name);

/** The model of the next message: the one chosen here, else the session's, else the one used last. */
export function modelOf(chat) {
  const wanted = chat.model.value || sessionOf(chat.id)?.ModelName;
  return wanted && isThere(wanted) ? wanted : defaultModel.value;
}

export function chooseModel(chat, name) {
  chat.model.value = name;
  rememberModel(name);
}

/** The first persona speaks when nobody is named. */
export const personaOf = (chat) =>
  chat.persona.value || sessionOf(chat.id)?.Persona || personas.value[0]?.name || '';

export function choosePersona(chat, name) {
  chat.persona.value = name;
  if (sessionOf(chat.id)?.MessageCount) changeSession(chat.id, { persona: name });
}
