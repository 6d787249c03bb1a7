// Colours for code. What knows the languages is loaded when there is code to colour.
import { signal } from '@preact/signals';
import { useMemo } from 'preact/hooks';

/** Longer code is shown without colours: reading it would hold up the page. */
const LENGTH_MAX = 40000;
/** Code that is still being written is coloured up to here; beyond, when it is whole. */
const LIVE_LENGTH_MAX = 3000;

const highlighter = signal(null);
let loading;

function load() {
  loading ??= import('./highlighter.js').then(
    (loaded) => { highlighter.value = loaded; },
    () => { loading = undefined; },
  );
}

/** The code as elements, or null: unknown language, too long, or not loaded yet. */
export function useHighlighted(code, language, closed) {
  const wanted = language && code.length <= (closed ? LENGTH_MAX : LIVE_LENGTH_MAX);
  const highlight = wanted ? highlighter.value?.highlight : null;
  if (wanted && !highlight) load();
  return useMemo(() => highlight?.(code, language) ?? null, [highlight, code, language]);
}
