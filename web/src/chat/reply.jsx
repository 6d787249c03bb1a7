// What a model answered: its text, how it came to it, and what can be done with it.
import { t } from '../i18n/index.js';
import { Markdown } from '../markdown/lazy_markdown.jsx';
import { retry } from '../state/chat.js';
import { modelOf } from '../state/choice.js';
import { formatNumber } from '../ui/format.js';
import { CopyButton } from '../ui/copy_button.jsx';
import { Icon } from '../ui/icon.jsx';
import { Branches } from './branches.jsx';
import { Reasoning } from './reasoning.jsx';

/** A reply that is being written. Only this part is rendered for each piece of it. */
function LiveText({ live }) {
  const phase = live.phase.value;
  return (
    <>
      {live.reasoning.value && (
        <Reasoning text={live.reasoning.value} seconds={live.reasoningSeconds.value} live={phase === 'thinking'} />
      )}
      {phase === 'writing' && <Markdown text={live.content.value} live />}
      {phase === 'sending' && !live.content.value && (
        <p class="pending" aria-label={t('waiting_for_reply')}><span /><span /><span /></p>
      )}
      {live.waiting.value && <p class="reply-note" role="status"><Icon name="offline" />{t('reconnecting')}</p>}
    </>
  );
}

const NOTES = { stopped: 'reply_stopped', interrupted: 'reply_interrupted', error: 'reply_failed' };

function Note({ message }) {
  if (!NOTES[message.status]) return null;
  return (
    <p class={`reply-note ${message.status}`} role={message.error ? 'alert' : undefined}>
      <Icon name={message.status === 'stopped' ? 'stop' : 'warning'} />
      <span>{message.error?.message ?? t(NOTES[message.status])}</span>
    </p>
  );
}

function Usage({ usage }) {
  if (!usage) return null;
  const number = `${usage.estimated ? '≈ ' : ''}${formatNumber(usage.output_tokens)}`;
  return <span class="usage muted">{t('tokens', { number })}</span>;
}

function Actions({ chat, message }) {
  const busy = chat.busy.value;
  return (
    <div class="message-actions">
      <Branches chat={chat} message={message} />
      <CopyButton text={message.content} label={t('copy_message')} />
      <button type="button" class="icon-button" aria-label={t('retry')} title={t('retry')} disabled={busy || !message.id}
        onClick={() => retry(chat, message, modelOf(chat))}>
        <Icon name="retry" />
      </button>
      <span class="reply-model muted">{message.modelName}</span>
      <Usage usage={message.usage} />
    </div>
  );
}

export function Reply({ chat, message }) {
  if (message.live) return <LiveText live={message.live} />;
  return (
    <>
      <Reasoning text={message.reasoning} seconds={message.reasoningSeconds} chat={chat} messageId={message.id} />
      {message.content && <Markdown text={message.content} live={message.status === 'streaming'} />}
      <Note message={message} />
      <Actions chat={chat} message={message} />
    </>
  );
}
