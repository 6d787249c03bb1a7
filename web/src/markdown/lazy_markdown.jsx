// Markdown, whose code is loaded beside the first messages. Until it is there, a text is shown as it is.
import { signal } from '@preact/signals';
import { loadReplyParts } from '../app/load_reply_parts.js';

const loaded = signal(null);

export function loadMarkdown() {
  loadReplyParts().then((module) => { loaded.value = module.Markdown; }, () => {});
}

export function Markdown({ text, live }) {
  const Loaded = loaded.value;
  if (Loaded) return <Loaded text={text} live={live} />;
  loadMarkdown();
  return <div class="markdown plain" dir="auto">{text}</div>;
}
