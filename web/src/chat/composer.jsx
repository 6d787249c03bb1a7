// Where messages are written. The text lives in the field itself, so that typing never waits for the page.
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { composerId } from '../app/shortcuts.js';
import { t } from '../i18n/index.js';
import { attachFiles, readyFiles, showDraftFiles } from '../state/attachments.js';
import { returned, sendText, stop } from '../state/chat.js';
import { modelOf, personaOf } from '../state/choice.js';
import { readDraft, writeDraft } from '../state/drafts.js';
import { editing } from '../state/editing.js';
import { modelsLoaded } from '../state/models.js';
import { notify } from '../state/notices.js';
import { enterSends } from '../state/preferences.js';
import { Icon } from '../ui/icon.jsx';
import { isComposing } from '../ui/composing.js';
import { AttachmentList } from './attachment_list.jsx';
import { pastedFiles } from './paste.js';
import { growTextArea, isSendKey } from './text_area.js';

const DRAFT_DELAY = 400;

/** Keeps what is written for when the page is opened again. Returns {save, flush}. */
function useDraft(chat, area, hasText) {
  const timer = useRef(0);
  const flush = () => {
    clearTimeout(timer.current);
    if (area.current) writeDraft(chat.id, { text: area.current.value, files: readyFiles(chat) });
  };
  useLayoutEffect(() => {
    const draft = readDraft(chat.id);
    area.current.value = draft.text;
    showDraftFiles(chat, draft.files);
    hasText.value = Boolean(draft.text.trim());
    growTextArea(area.current);
    addEventListener('pagehide', flush);
    return () => {
      flush();
      removeEventListener('pagehide', flush);
    };
  }, [chat]);
  const save = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(flush, DRAFT_DELAY);
  };
  return { save, flush };
}

/** A message that the server refused comes back into the field. */
function useReturned(chat, area, onInput) {
  useEffect(() => {
    const back = returned.value;
    if (!back || back.sessionId !== chat.id) return;
    returned.value = null;
    if (!area.current.value) area.current.value = back.text;
    onInput();
  }, [returned.value]);
}

export function Composer({ chat }) {
  const area = useRef(null);
  const files = useRef(null);
  const hasText = useSignal(false);
  const draft = useDraft(chat, area, hasText);
  const uploading = chat.attachments.value.some((file) => file.status === 'uploading');
  const ready = readyFiles(chat);
  const busy = chat.busy.value;
  const canSend = !busy && !uploading && (hasText.value || ready.length > 0) && Boolean(modelOf(chat));

  const onInput = () => {
    const has = Boolean(area.current.value.trim());
    if (has !== hasText.value) hasText.value = has;
    growTextArea(area.current);
    draft.save();
  };
  useReturned(chat, area, onInput);

  const send = async () => {
    await modelsLoaded;
    const text = area.current.value.trim();
    if (chat.busy.value || uploading || !modelOf(chat) || (!text && !ready.length)) return;
    area.current.value = '';
    chat.attachments.value = [];
    draft.flush();
    hasText.value = false;
    growTextArea(area.current);
    sendText(chat, {
      message: text,
      model_name: modelOf(chat),
      persona: chat.id && !chat.persona.value ? undefined : personaOf(chat) || undefined,
      file_ids: ready.length ? ready.map((file) => file.id) : undefined,
    });
  };

  const onKeyDown = (event) => {
    if (isSendKey(event, enterSends.value)) {
      event.preventDefault();
      send();
    } else if (event.key === 'ArrowUp' && !area.current.value && !isComposing(event) && !busy) {
      const last = chat.messages.value.findLast((message) => message.role === 'user');
      if (last?.id) {
        event.preventDefault();
        editing.value = last.key;
      }
    }
  };
  const onPaste = (event) => {
    const pasted = pastedFiles(event.clipboardData);
    if (!pasted.length) return;
    event.preventDefault();
    attachFiles(chat, pasted);
    if (pasted[0].fromText) notify(t('pasted_as_file'));
  };

  return (
    <form class="composer" aria-label={t('composer')} onSubmit={(event) => { event.preventDefault(); send(); }}>
      <AttachmentList chat={chat} />
      <textarea ref={area} id={composerId} rows={1} dir="auto" aria-label={t('message')} placeholder={t('message_hint')}
        onInput={onInput} onKeyDown={onKeyDown} onPaste={onPaste} autoFocus />
      <div class="composer-actions">
        <input ref={files} type="file" multiple hidden
          onChange={(event) => { attachFiles(chat, [...event.currentTarget.files]); event.currentTarget.value = ''; }} />
        <button type="button" class="icon-button" aria-label={t('attach')} title={t('attach')}
          onClick={() => files.current.click()}>
          <Icon name="clip" />
        </button>
        <span class="composer-hint muted">{t(enterSends.value ? 'hint_enter' : 'hint_ctrl_enter')}</span>
        {busy ? (
          <button type="button" class="send-button stop" aria-label={t('stop')} title={`${t('stop')} (Esc)`}
            onClick={() => stop(chat)}>
            <Icon name="stop" />
          </button>
        ) : (
          <button type="submit" class="send-button" aria-label={t('send')} title={t('send')} disabled={!canSend}>
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}
