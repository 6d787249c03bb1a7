// Texts in the reader's language. A language is one file in languages/; its texts are loaded when it is used.
import { signal } from '@preact/signals';
import { LANGUAGES, loaders } from 'languages'; // made by build.mjs of the files that are there
import { readPreference, writePreference } from '../state/storage.js';

/** Code -> the language's own name. */
export { LANGUAGES };

export const language = signal('en');
const texts = signal({});

/** The language that was chosen, or the first of the browser's that there is. */
function preferredLanguage() {
  const wanted = [readPreference('language'), ...navigator.languages].filter(Boolean);
  for (const tag of wanted) {
    const code = tag.toLowerCase().split('-')[0];
    if (code in LANGUAGES) return code;
  }
  return 'en';
}

export async function loadLanguage(code = preferredLanguage()) {
  const { default: loaded } = await loaders[code]();
  texts.value = loaded;
  language.value = code;
  document.documentElement.lang = code === 'zh' ? 'zh-Hans' : code;
}

export async function chooseLanguage(code) {
  writePreference('language', code);
  await loadLanguage(code);
}

/** A text, with `{name}` replaced by the values; a text that depends on them is a function. */
export function t(key, values = {}) {
  const text = texts.value[key];
  if (typeof text === 'function') return text(values);
  return (text ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
