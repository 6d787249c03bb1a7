// What the user wrote, as it was written. A long text is folded.
import { useSignal } from '@preact/signals';
import { loadExtras } from '../app/load_extras.js';
import { t } from '../i18n/index.js';
import { edit } from '../state/chat.js';
import { modelOf } from '../state/choice.js';
import { editing } from '../state/editing.js';
import { CopyButton } from '../ui/copy_button.jsx';
import { Icon } from '../ui/icon.jsx';
import { lazy } from '../ui/lazy.jsx';
import { Branches } from './branches.jsx';
import { MessageFiles } from './message_files.jsx';

const MessageEditor = lazy(loadExtras, 'MessageEditor');

const FOLDED_CHARACTERS = 1200;
const FOLDED_LINES = 16;

function foldedText(text) {
  const lines = text.slice(0, FOLDED_CHARACTERS).split('\n');
  return lines.slice(0, FOLDED_LINES).join('\n');
}

function Text({ text }) {
  const open = useSignal(false);
  const short = foldedText(text);
  const isLong = short.length < text.length;
  return (
    <>
      <div class="user-text" dir="auto">{isLong && !open.value ? `${short}…` : text}</div>
      {isLong && (
        <button type="button" class="text-button" aria-expanded={open.value} onClick={() => { open.value = !open.value; }}>
          {t(open.value ? 'show_less' : 'show_all')}
        </button>
      )}
    </>
  );
}

export function UserMessage({ chat, message }) {
  const canChange = message.id && !chat.busy.value;
  if (editing.value === message.key && canChange) {
    const send = (text) => {
      editing.value = '';
      edit(chat, message, text, modelOf(chat));
    };
    return <MessageEditor message={message} onSend={send} onClose={() => { editing.value = ''; }} />;
  }
  return (
    <>
      {message.fileIds.length > 0 && <MessageFiles chat={chat} ids={message.fileIds} />}
      {message.content && <div class="bubble"><Text text={message.content} /></div>}
      <div class="message-actions">
        <Branches chat={chat} message={message} />
        <CopyButton text={message.content} label={t('copy_message')} />
        <button type="button" class="icon-button" aria-label={t('edit')} title={t('edit')} disabled={!canChange}
          onClick={() => { editing.value = message.key; }}>
          <Icon name="edit" />
        </button>
      </div>
    </>
  );
}
