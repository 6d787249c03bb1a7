// A message: who says it, and everything that is one of its own.
import { t } from '../i18n/index.js';
import { formatTime } from '../ui/format.js';
import { Reply } from './reply.jsx';
import { UserMessage } from './user_message.jsx';

export function Message({ chat, message, last }) {
  const mine = message.role === 'user';
  const found = message.id && chat.target.value === message.id;
  const View = mine ? UserMessage : Reply;
  return (
    <article class={`message ${message.role}${found ? ' found' : ''}`} data-id={message.id ?? undefined} tabIndex={-1}
      aria-label={t(mine ? 'your_message' : 'reply_of', {
        name: message.modelName || t('model'), time: formatTime(message.createdAt),
      })}>
      <View chat={chat} message={message} last={last} />
    </article>
  );
}
