// A window over the page. The browser's own dialog keeps the focus inside, closes with Escape and gives the focus back.
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.js';
import { Icon } from './icon.jsx';

export function Dialog({ title, onClose, children, kind = '' }) {
  const dialog = useRef(null);
  useEffect(() => {
    const element = dialog.current;
    element.showModal();
    return () => element.close();
  }, []);
  const closeOutside = (event) => {
    if (event.target === dialog.current) onClose();
  };
  return (
    <dialog ref={dialog} class={`dialog ${kind}`} aria-label={title} onClose={onClose} onMouseDown={closeOutside}>
      <div class="dialog-content">
        <header>
          <h2>{title}</h2>
          <button type="button" class="icon-button" aria-label={t('close')} onClick={onClose}><Icon name="close" /></button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks before something that cannot be undone. */
export function Confirmation({ text, label, onConfirm, onClose }) {
  return (
    <Dialog title={text} onClose={onClose} kind="small">
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>{t('cancel')}</button>
        <button type="button" class="button danger" onClick={() => { onClose(); onConfirm(); }}>{label}</button>
      </div>
    </Dialog>
  );
}
