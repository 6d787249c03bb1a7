// The files of a message. Opening one shows what the model was given of it.
import { useSignal } from '@preact/signals';
import { loadExtras } from '../app/load_extras.js';
import { t } from '../i18n/index.js';
import { isImage, loadSessionFiles, sessionFile } from '../state/session_files.js';
import { formatSize } from '../ui/format.js';
import { Icon } from '../ui/icon.jsx';
import { lazy } from '../ui/lazy.jsx';

const FileDialog = lazy(loadExtras, 'FileDialog');

function MessageFile({ chat, id }) {
  const open = useSignal(false);
  const file = sessionFile(chat.id, id);
  if (!file) return <li class="attachment"><Icon name="file" /><span class="attachment-name">{t('file')}</span></li>;
  const show = async () => {
    if (!file.IsProcessed) await loadSessionFiles(chat.id).catch(() => {}); // it may have been read meanwhile
    open.value = true;
  };
  return (
    <li>
      <button type="button" class="attachment" onClick={show} aria-haspopup="dialog">
        <Icon name={isImage(file) ? 'image' : 'file'} />
        <span class="attachment-text">
          <span class="attachment-name" dir="auto">{file.FileName}</span>
          <span class="muted">{formatSize(file.FileSize)}</span>
        </span>
      </button>
      {open.value && <FileDialog file={file} onClose={() => { open.value = false; }} />}
    </li>
  );
}

export function MessageFiles({ chat, ids }) {
  return (
    <ul class="attachments" aria-label={t('attachments')}>
      {ids.map((id) => <MessageFile key={id} chat={chat} id={id} />)}
    </ul>
  );
}
