// ‹ 2/3 ›: the versions of a message, and the way between them.
import { t } from '../i18n/index.js';
import { showBranch } from '../state/chat.js';
import { Icon } from '../ui/icon.jsx';

export function Branches({ chat, message }) {
  const { siblings, id } = message;
  if (!id || !siblings || siblings.length < 2) return null;
  const at = siblings.indexOf(id);
  const show = (step) => showBranch(chat, siblings[at + step]);
  const button = (step, icon, label) => (
    <button type="button" class="icon-button" aria-label={t(label)} title={t(label)}
      disabled={chat.busy.value || siblings[at + step] === undefined} onClick={() => show(step)}>
      <Icon name={icon} />
    </button>
  );
  return (
    <div class="branches" role="group" aria-label={t('versions')}>
      {button(-1, 'left', 'previous_version')}
      <span aria-label={t('version_of', { number: at + 1, count: siblings.length })}>{at + 1}/{siblings.length}</span>
      {button(1, 'right', 'next_version')}
    </div>
  );
}
