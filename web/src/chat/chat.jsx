// The conversation on screen: its bar, its messages, the composer.
import { t } from '../i18n/index.js';
import { conversation, openConversation } from '../state/chat.js';
import { ChatBar } from './chat_bar.jsx';
import { Composer } from './composer.jsx';
import { DropArea } from './drop_area.jsx';
import { EmptyState } from './empty_state.jsx';
import { MessageList } from './message_list.jsx';

function Failed({ chat }) {
  const gone = chat.error.value.status === 404;
  return (
    <div class="center" role="alert">
      <p>{gone ? t('session_gone') : chat.error.value.message}</p>
      {!gone && (
        <button type="button" class="button" onClick={() => openConversation(chat.id)}>{t('try_again')}</button>
      )}
    </div>
  );
}

function Body({ chat }) {
  if (chat.status.value === 'failed') return <Failed chat={chat} />;
  if (chat.status.value === 'ready' && !chat.messages.value.length) return <EmptyState chat={chat} />;
  return <MessageList key={chat} chat={chat} />;
}

export function Chat() {
  const chat = conversation.value;
  return (
    <DropArea>
      <ChatBar chat={chat} />
      <Body chat={chat} />
      <Composer chat={chat} />
    </DropArea>
  );
}
