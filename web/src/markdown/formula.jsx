// A formula as MathML. What makes it is loaded when the first formula is shown; until then, and when a formula cannot be
// read, its source stands there.
import { signal } from '@preact/signals';
import { useMemo } from 'preact/hooks';

const renderer = signal(null);
let loading;

function load() {
  loading ??= import('./formula_renderer.js').then(
    (loaded) => { renderer.value = loaded; },
    () => { loading = undefined; }, // the network: the next formula asks again
  );
}

export function Formula({ source, display = false }) {
  const render = renderer.value?.renderMath;
  const formula = useMemo(() => render?.(source, display), [render, source, display]);
  if (!render) load();
  return formula ?? <code class="math-source">{source}</code>;
}
