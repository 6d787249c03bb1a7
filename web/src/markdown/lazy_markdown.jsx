// Markdown, whose code is loaded beside the first messages. Until it is there, a text is shown as it is.
import { signal } from '@preact/signals';

const loaded = signal(null);
let loading;

export function loadMarkdown() {
  loading ??= import('./markdown.jsx').then(
    (module) => { loaded.value = module.Markdown; },
    () => { loading = undefined; }, // the network: the next text asks again
  );
}

export function Markdown({ text, live }) {
  const Loaded = loaded.value;
  if (Loaded) return <Loaded text={text} live={live} />;
  loadMarkdown();
  return <div class="markdown plain" dir="auto">{text}</div>;
}
