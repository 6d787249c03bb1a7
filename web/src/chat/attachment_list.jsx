import { t } from '../i18n/index.js';
import { removeAttachment } from '../state/attachments.js';
import { formatSize } from '../ui/format.js';
import { Icon } from '../ui/icon.jsx';

function detail(file) {
  if (file.status === 'failed') return file.error;
  if (file.status === 'uploading') return t('uploading', { percent: Math.round(file.progress * 100) });
  return formatSize(file.size);
}

function Attachment({ chat, file }) {
  return (
    <li class={`attachment ${file.status}`}>
      {file.preview ? <img src={file.preview} alt="" /> : <Icon name="file" />}
      <span class="attachment-text">
        <span class="attachment-name" dir="auto">{file.name}</span>
        <span class="muted" role={file.status === 'failed' ? 'alert' : undefined}>{detail(file)}</span>
      </span>
      <button type="button" class="icon-button" aria-label={t('remove_file', { name: file.name })}
        onClick={() => removeAttachment(chat, file)}>
        <Icon name="close" />
      </button>
      {file.status === 'uploading' && <progress max={1} value={file.progress} aria-label={file.name} />}
    </li>
  );
}

export function AttachmentList({ chat }) {
  const files = chat.attachments.value;
  if (!files.length) return null;
  return (
    <ul class="attachments" aria-label={t('attachments')}>
      {files.map((file) => <Attachment key={file.key} chat={chat} file={file} />)}
    </ul>
  );
}
