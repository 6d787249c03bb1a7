// Markdown, whose code is loaded beside the first messages. Until it is there, a text is shown as it is.
import { signal } from '@preact/signals';
import { loadStyle } from '../ui/style_sheet.js';

const loaded = signal(null);
let loading;

export function loadMarkdown() {
  loading ??= Promise.all([import('./markdown.jsx'), loadStyle('reply')]).then(
    ([module]) => { loaded.value = module.Markdown; },
    () => { loading = undefined; }, // the network: the next text asks again
  );
}

export function Markdown({ text, live }) {
  const Loaded = loaded.value;
  if (Loaded) return <Loaded text={text} live={live} />;
  loadMarkdown();
  return <div class="markdown plain" dir="auto">{text}</div>;
}
