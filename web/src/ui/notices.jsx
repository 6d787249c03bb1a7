import { t } from '../i18n/index.js';
import { notices } from '../state/notices.js';
import { Icon } from './icon.jsx';

function Notice({ notice }) {
  return (
    <div class={`notice ${notice.kind}`} role={notice.kind === 'error' ? 'alert' : 'status'}>
      <span>{notice.text}</span>
      {notice.action && (
        <button type="button" class="text-button" onClick={notice.action.run}>{notice.action.label}</button>
      )}
      <button type="button" class="icon-button" aria-label={t('close')} onClick={notice.close}><Icon name="close" /></button>
    </div>
  );
}

export function Notices() {
  return <div class="notices">{notices.value.map((notice) => <Notice key={notice.id} notice={notice} />)}</div>;
}
