// What a model thought before it answered: folded, with the time that it took if this browser was there.
import { useSignal } from '@preact/signals';
import { t } from '../i18n/index.js';
import { Markdown } from '../markdown/lazy_markdown.jsx';
import { Icon } from '../ui/icon.jsx';

function title(seconds, live) {
  if (live) return t('thinking');
  return seconds ? t('thought_for', { seconds }) : t('thought');
}

export function Reasoning({ text, seconds, live }) {
  const open = useSignal(false);
  if (!text) return null;
  return (
    <div class={`reasoning${live ? ' live' : ''}`}>
      <button type="button" class="reasoning-title" aria-expanded={open.value} onClick={() => { open.value = !open.value; }}>
        <Icon name="thought" />
        <span>{title(seconds, live)}</span>
        <Icon name={open.value ? 'down' : 'right'} />
      </button>
      {open.value && <div class="reasoning-text"><Markdown text={text} live={live} /></div>}
    </div>
  );
}
