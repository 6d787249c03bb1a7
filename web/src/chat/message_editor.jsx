import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.js';
import { enterSends } from '../state/preferences.js';
import { growTextArea, isSendKey } from './text_area.js';

export function MessageEditor({ message, onSend, onClose }) {
  const area = useRef(null);
  useLayoutEffect(() => { // at once: what is typed right after the click belongs here
    growTextArea(area.current);
    area.current.focus();
    area.current.setSelectionRange(-1, -1);
  }, []);
  const send = () => {
    const text = area.current.value.trim();
    if (text || message.fileIds.length) onSend(text);
  };
  const onKeyDown = (event) => {
    if (isSendKey(event, enterSends.value)) {
      event.preventDefault();
      send();
    } else if (event.key === 'Escape' && !event.isComposing) {
      event.stopPropagation();
      onClose();
    }
  };
  return (
    <div class="message-editor">
      <textarea ref={area} aria-label={t('edit_message')} defaultValue={message.content} dir="auto" rows={2}
        onKeyDown={onKeyDown} onInput={() => growTextArea(area.current)} />
      <p class="hint">{t('edit_hint')}</p>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>{t('cancel')}</button>
        <button type="button" class="button primary" onClick={send}>{t('send')}</button>
      </div>
    </div>
  );
}
