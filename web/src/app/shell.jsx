// The page of somebody who is logged in: sessions at the side, a chat or the settings beside them.
import { untracked, useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Chat } from '../chat/chat.jsx';
import { openConversation } from '../state/chat.js';
import { untilReached } from '../api/retry.js';
import { loadMarkdown } from '../markdown/lazy_markdown.jsx';
import { loadModels, loadPersonas } from '../state/models.js';
import { online } from '../state/network.js';
import { notifyError } from '../state/notices.js';
import { sidebarOpen } from '../state/preferences.js';
import { route } from '../state/route.js';
import { loadSessions } from '../state/sessions.js';
import { drawerOpen, searchOpen, shortcutsOpen } from '../state/windows.js';
import { t } from '../i18n/index.js';
import { Icon } from '../ui/icon.jsx';
import { lazy } from '../ui/lazy.jsx';
import { loadExtras } from './load_extras.js';
import { useShortcuts } from './shortcuts.js';
import { Sidebar } from './sidebar.jsx';

const Settings = lazy(loadExtras, 'Settings');
const SearchDialog = lazy(loadExtras, 'SearchDialog');
const ShortcutList = lazy(loadExtras, 'ShortcutList');

function Offline() {
  return (
    <div class="offline" role="status">
      <Icon name="offline" />
      {t('offline')}
    </div>
  );
}

export function Shell() {
  const { view, section } = route.value;
  useShortcuts();
  useEffect(() => {
    loadMarkdown();
    for (const load of [loadSessions, loadModels, loadPersonas]) untilReached(load).catch(notifyError);
  }, []);
  useSignalEffect(() => {
    const { view: shown, sessionId, messageId } = route.value;
    drawerOpen.value = false;
    if (shown === 'chat') untracked(() => openConversation(sessionId, messageId));
  });

  return (
    <div class={`shell${sidebarOpen.value ? '' : ' without-sidebar'}${drawerOpen.value ? ' with-drawer' : ''}`}>
      <Sidebar />
      <div class="drawer-shade" onClick={() => { drawerOpen.value = false; }} />
      <main class="main" inert={drawerOpen.value}>
        {!online.value && <Offline />}
        {view === 'settings' ? <Settings section={section} /> : <Chat />}
      </main>
      {searchOpen.value && <SearchDialog onClose={() => { searchOpen.value = false; }} />}
      {shortcutsOpen.value && <ShortcutList onClose={() => { shortcutsOpen.value = false; }} />}
    </div>
  );
}
