// What a model answered: its text, how it came to it, and what can be done with it.
import { loadReplyParts } from '../app/load_reply_parts.js';
import { t } from '../i18n/index.js';
import { Markdown } from '../markdown/lazy_markdown.jsx';
import { retry } from '../state/chat.js';
import { modelOf } from '../state/choice.js';
import { formatNumber } from '../ui/format.js';
import { CopyButton } from '../ui/copy_button.jsx';
import { Icon } from '../ui/icon.jsx';
import { lazy } from '../ui/lazy.jsx';
import { Branches } from './branches.jsx';
import { Reasoning } from './reasoning.jsx';

const ReplyNote = lazy(loadReplyParts, 'ReplyNote');

/** What is there of a reply: all of it, or what has been written so far. */
function stateOf(message) {
  const { live } = message;
  if (!live) return { ...message, phase: 'ended' };
  return {
    content: live.content.value,
    reasoning: live.reasoning.value,
    reasoningSeconds: live.reasoningSeconds.value,
    phase: live.phase.value,
    waiting: live.waiting.value,
  };
}

const Pending = () => <p class="pending"><span class="offscreen">{t('waiting_for_reply')}</span><i /><i /><i /></p>;
const Reconnecting = () => <p class="reply-note" role="status"><Icon name="offline" />{t('reconnecting')}</p>;

const endedWell = ({ status, finishReason = 'stop' }) => status === 'complete' && finishReason === 'stop';

function Usage({ usage }) {
  if (!usage?.output_tokens) return null;
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

/** The same elements while a reply is written and afterwards: its text is not made anew when it ends. */
export function Reply({ chat, message }) {
  const { content, reasoning, reasoningSeconds, phase, waiting } = stateOf(message);
  const ended = phase === 'ended';
  return (
    <>
      <Reasoning text={reasoning} seconds={reasoningSeconds} live={phase === 'thinking'} />
      {content && <Markdown text={content} live={!ended} />}
      {phase === 'sending' && !content && <Pending />}
      {waiting && <Reconnecting />}
      {ended && !endedWell(message) && <ReplyNote chat={chat} message={message} />}
      {ended && <Actions chat={chat} message={message} />}
    </>
  );
}
