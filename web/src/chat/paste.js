// What is pasted and better taken as a file: files, and texts too long for a message.
import { t } from '../i18n/index.js';

const LONG_TEXT = 20000;

export function pastedFiles(clipboard) {
  if (clipboard.files.length) return [...clipboard.files];
  const text = clipboard.getData('text/plain');
  if (text.length <= LONG_TEXT) return [];
  const file = new File([text], t('pasted_file_name'), { type: 'text/plain' });
  file.fromText = true;
  return [file];
}
