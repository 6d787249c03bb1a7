// A session's title while it is changed.
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.js';
import { changeSession } from '../state/sessions.js';
import { isComposing } from '../ui/composing.js';

const TITLE_MAX = 200;

export function TitleField({ session, onClose }) {
  const field = useRef(null);
  useEffect(() => field.current.select(), []);
  const keep = () => {
    if (!field.current) return; // closed already: leaving the page's tree is a blur, too
    const title = field.current.value.trim();
    if (title && title !== session.Title) changeSession(session.SessionID, { title });
    onClose();
  };
  const onKeyDown = (event) => {
    if (isComposing(event)) return;
    if (event.key === 'Enter') keep();
    if (event.key === 'Escape') {
      event.stopPropagation();
      onClose();
    }
  };
  return (
    <input ref={field} class="title-field" defaultValue={session.Title} maxLength={TITLE_MAX}
      aria-label={t('session_title')} onKeyDown={onKeyDown} onBlur={keep} />
  );
}
