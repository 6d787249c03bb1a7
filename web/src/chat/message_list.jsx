// The messages of the window, oldest first; more are loaded where somebody scrolls to an end of it.
import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.js';
import { Icon } from '../ui/icon.jsx';
import { MessageBoundary } from './message_boundary.jsx';
import { Message } from './message.jsx';
import { ReplyAnnouncer } from './reply_announcer.jsx';
import { useBottom, useNear } from './scrolling.js';

const ANCHORS = CSS.supports('overflow-anchor', 'auto');

/** Older messages above must not move what is read. Browsers that anchor by themselves do it; others need help. */
function useStablePosition(scroller, first) {
  const before = useRef({ first, height: 0 });
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!ANCHORS && before.current.first !== first && before.current.height) {
      element.scrollTop += element.scrollHeight - before.current.height;
    }
    before.current = { first, height: element.scrollHeight };
  });
}

/** Brings the message that a search found into view. */
function useTarget(chat, scroller, atBottom) {
  const id = chat.target.value;
  useLayoutEffect(() => {
    const element = id && scroller.current.querySelector(`[data-id="${id}"]`);
    if (!element) return;
    atBottom.value = false;
    element.scrollIntoView({ block: 'center' });
    element.focus({ preventScroll: true });
  }, [id, chat.status.value]);
}

export function MessageList({ chat }) {
  const scroller = useRef(null);
  const content = useRef(null);
  const older = useRef(null);
  const newer = useRef(null);
  const { atBottom, toBottom } = useBottom(scroller, content);
  const messages = chat.messages.value;
  const hasNewer = chat.hasNewer.value;
  useStablePosition(scroller, messages[0]?.key);
  useTarget(chat, scroller, atBottom);
  useNear(older, scroller, () => chat.loadOlder().catch(() => {}), messages[0]);
  useNear(newer, scroller, () => chat.loadNewer().catch(() => {}), messages.at(-1));

  const turn = chat.turn.value;
  useLayoutEffect(() => {
    if (turn) toBottom();
  }, [turn]);

  const toEnd = async () => {
    if (hasNewer) await chat.open();
    toBottom();
  };
  return (
    <div class="messages-frame">
      <div class="messages" ref={scroller} tabIndex={-1}>
        <div class="message-column" ref={content} role="log" aria-live="off" aria-label={t('messages')}
          aria-busy={chat.status.value === 'loading' || chat.busy.value}>
          {chat.hasOlder.value && <div ref={older} class="list-end">{t('loading_older')}</div>}
          {messages.map((message, i) => (
            <MessageBoundary key={message.key}>
              <Message chat={chat} message={message} last={i === messages.length - 1} />
            </MessageBoundary>
          ))}
          {hasNewer && <div ref={newer} class="list-end">{t('loading_newer')}</div>}
        </div>
      </div>
      {(!atBottom.value || hasNewer) && messages.length > 0 && (
        <button type="button" class="to-bottom" aria-label={t('to_newest')} title={t('to_newest')} onClick={toEnd}>
          <Icon name="arrow_down" />
        </button>
      )}
      <ReplyAnnouncer chat={chat} />
    </div>
  );
}
