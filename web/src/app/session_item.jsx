// A session in the list: a link, and what can be done with it.
import { useSignal } from '@preact/signals';
import { exportAddress } from '../api/sessions.js';
import { t } from '../i18n/index.js';
import { chatLink, go, route } from '../state/route.js';
import { removeSession } from '../state/sessions.js';
import { Icon } from '../ui/icon.jsx';
import { lazy } from '../ui/lazy.jsx';
import { Menu } from '../ui/menu.jsx';
import { loadExtras } from './load_extras.js';

const TitleField = lazy(loadExtras, 'TitleField');

/** The browser saves the file: the answer is an attachment. */
function download(session, format) {
  const link = document.createElement('a');
  link.href = exportAddress(session.SessionID, format);
  link.download = '';
  link.click();
}

export function SessionItem({ session, current }) {
  const renaming = useSignal(false);
  if (renaming.value) {
    return <li class="session"><TitleField session={session} onClose={() => { renaming.value = false; }} /></li>;
  }
  const remove = () => {
    removeSession(session);
    if (route.value.sessionId === session.SessionID) go('#/');
  };
  const items = [
    { label: t('rename'), icon: 'edit', run: () => { renaming.value = true; } },
    { label: t('export_markdown'), icon: 'download', run: () => download(session, 'md') },
    { label: t('export_json'), icon: 'download', run: () => download(session, 'json') },
    null,
    { label: t('delete'), icon: 'trash', danger: true, run: remove },
  ];
  return (
    <li class={`session${current ? ' current' : ''}`}>
      <a href={chatLink(session.SessionID)} aria-current={current ? 'page' : undefined} dir="auto"
        title={session.Title} onDblClick={() => { renaming.value = true; }}>
        {session.Title}
      </a>
      <Menu label={t('session_menu', { title: session.Title })} class="icon-button" items={items} align="end">
        <Icon name="more" />
      </Menu>
    </li>
  );
}
