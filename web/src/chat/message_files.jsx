// The files of a message. Opening one shows what the model was given of it.
import { useSignal } from '@preact/signals';
import { t } from '../i18n/index.js';
import { loadSessionFiles, sessionFile } from '../state/session_files.js';
import { Dialog } from '../ui/dialog.jsx';
import { formatSize } from '../ui/format.js';
import { Icon } from '../ui/icon.jsx';

const IMAGE = /^\.(png|jpe?g|gif|webp)$/i;

function whatWasRead(file) {
  if (IMAGE.test(file.FileType)) return t('file_as_image');
  if (!file.IsProcessed) return t('file_not_read');
  return t('file_as_text', { count: file.Content.length });
}

function FileDialog({ file, onClose }) {
  return (
    <Dialog title={file.FileName} onClose={onClose} kind="wide">
      <p class="muted">{formatSize(file.FileSize)} · {whatWasRead(file)}</p>
      {file.Content && <pre class="file-text" tabIndex={0} dir="auto">{file.Content}</pre>}
    </Dialog>
  );
}

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
        <Icon name={IMAGE.test(file.FileType) ? 'image' : 'file'} />
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
