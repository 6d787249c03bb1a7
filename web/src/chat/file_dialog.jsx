// A file of a message: what the model was given of it.
import { t } from '../i18n/index.js';
import { isImage } from '../state/session_files.js';
import { Dialog } from '../ui/dialog.jsx';
import { formatSize } from '../ui/format.js';

function whatWasRead(file) {
  if (isImage(file)) return t('file_as_image');
  if (!file.IsProcessed) return t('file_not_read');
  return t('file_as_text', { count: file.Content.length });
}

export function FileDialog({ file, onClose }) {
  return (
    <Dialog title={file.FileName} onClose={onClose} kind="wide">
      <p class="muted">{formatSize(file.FileSize)} · {whatWasRead(file)}</p>
      {file.Content && <pre class="file-text" tabIndex={0} dir="auto">{file.Content}</pre>}
    </Dialog>
  );
}
