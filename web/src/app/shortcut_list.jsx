import { t } from '../i18n/index.js';
import { enterSends } from '../state/preferences.js';
import { Dialog } from '../ui/dialog.jsx';

const MOD = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl';

const rows = () => [
  [enterSends.value ? ['Enter'] : [MOD, 'Enter'], 'key_send'],
  [enterSends.value ? ['Shift', 'Enter'] : ['Enter'], 'key_new_line'],
  [['↑'], 'key_edit_last'],
  [['Esc'], 'key_stop'],
  [[MOD, 'K'], 'key_search'],
  [[MOD, 'Shift', 'O'], 'key_new_chat'],
  [[MOD, 'B'], 'key_sidebar'],
  [['Alt', '↑'], 'key_previous_message'],
  [['Alt', '↓'], 'key_next_message'],
  [['/'], 'key_composer'],
  [['?'], 'key_help'],
];

export function ShortcutList({ onClose }) {
  return (
    <Dialog title={t('shortcuts')} onClose={onClose}>
      <dl class="shortcut-list">
        {rows().map(([keys, text]) => (
          <div key={text}>
            <dt>{t(text)}</dt>
            <dd>{keys.map((key) => <kbd key={key}>{key}</kbd>)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
