// What a model thought before it answered: folded, with the time that it took. Stored messages do not bring it along; it
// is read from the reply's stream when somebody unfolds it.
import { useSignal } from '@preact/signals';
import { readFrames } from '../api/events.js';
import { resumeReply } from '../api/messages.js';
import { t } from '../i18n/index.js';
import { Markdown } from '../markdown/lazy_markdown.jsx';
import { Icon } from '../ui/icon.jsx';

async function readReasoning(sessionId, messageId) {
  let text = '';
  const answer = await resumeReply(sessionId, `${messageId}.0`);
  await readFrames(answer, (frame) => { text += frame.reasoning ?? ''; }, () => false, () => {});
  return text;
}

function title(seconds, live) {
  if (live) return t('thinking');
  return seconds ? t('thought_for', { seconds }) : t('thought');
}

export function Reasoning({ text, seconds, live, chat, messageId }) {
  const open = useSignal(false);
  const loaded = useSignal('');
  if (!text && !seconds) return null;
  const toggle = async () => {
    open.value = !open.value;
    if (open.value && !text && !loaded.value) {
      loaded.value = await readReasoning(chat.id, messageId).catch((error) => error.message);
    }
  };
  return (
    <div class={`reasoning${live ? ' live' : ''}`}>
      <button type="button" class="reasoning-title" aria-expanded={open.value} onClick={toggle}>
        <Icon name="thought" />
        <span>{title(seconds, live)}</span>
        <Icon name={open.value ? 'down' : 'right'} />
      </button>
      {open.value && <div class="reasoning-text"><Markdown text={text || loaded.value} live={live} /></div>}
    </div>
  );
}
