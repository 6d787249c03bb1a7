// Files can be dropped anywhere on the chat.
import { useSignal } from '@preact/signals';
import { t } from '../i18n/index.js';
import { attachFiles } from '../state/attachments.js';
import { conversation } from '../state/chat.js';

const hasFiles = (event) => event.dataTransfer?.types.includes('Files');

export function DropArea({ children }) {
  const over = useSignal(false);
  const onDragOver = (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over.value = true;
  };
  const onDragLeave = (event) => {
    if (!event.currentTarget.contains(event.relatedTarget)) over.value = false;
  };
  const onDrop = (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over.value = false;
    attachFiles(conversation.value, [...event.dataTransfer.files]);
  };
  return (
    <div class="chat" onDragOver={onDragOver} onDragLeave={onDragLeave} onDrop={onDrop}>
      {children}
      {over.value && <div class="drop-hint">{t('drop_here')}</div>}
    </div>
  );
}
