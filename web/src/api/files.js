import { language, t } from '../i18n/index.js';
import { ApiError, address, errorOf, request } from './http.js';

export const listFiles = (sessionId) => request('GET', `files/session/${encodeURIComponent(sessionId)}`);
export const deleteFile = (id) => request('DELETE', `files/${id}`);

/** Uploads a file; `onProgress` is told the share that has been sent, 0 to 1. (Fetch cannot tell it.) */
export function uploadFile(sessionId, file, { onProgress, signal }) {
  return new Promise((done, failed) => {
    const form = new FormData();
    form.append('session_id', sessionId);
    form.append('file', file, file.name);
    const upload = new XMLHttpRequest();
    upload.open('POST', address('files/upload'));
    upload.setRequestHeader('Accept-Language', language.value);
    upload.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
    upload.onerror = () => failed(new ApiError(0, 'unreachable', t('error_unreachable')));
    upload.onabort = () => failed(new DOMException('aborted', 'AbortError'));
    upload.onload = () => {
      if (upload.status === 200) done(JSON.parse(upload.responseText));
      else failed(errorOf(upload.status, upload.responseText, 0));
    };
    signal.addEventListener('abort', () => upload.abort());
    upload.send(form);
  });
}
