// The sessions, the way to a new one, the search, and the account.
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.js';
import { account, logout } from '../state/account.js';
import { notifyError } from '../state/notices.js';
import { sidebarOpen } from '../state/preferences.js';
import { go, route, settingsLink } from '../state/route.js';
import { followSessions, hasMoreSessions, loadMoreSessions, sessions, sessionsStatus } from '../state/sessions.js';
import { drawerOpen, searchOpen, shortcutsOpen } from '../state/windows.js';
import { dayGroup } from '../ui/format.js';
import { Icon } from '../ui/icon.jsx';
import { Logo } from '../ui/logo.jsx';
import { Menu } from '../ui/menu.jsx';
import { focusComposer } from './shortcuts.js';
import { SessionItem } from './session_item.jsx';

function grouped(list) {
  const groups = [];
  for (const session of list) {
    const label = dayGroup(session.UpdatedAt);
    if (groups.at(-1)?.label !== label) groups.push({ label, list: [] });
    groups.at(-1).list.push(session);
  }
  return groups;
}

/** Asks for more when the end of the list comes into view. */
function MoreSessions() {
  const end = useRef(null);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting) loadMoreSessions();
    }, { rootMargin: '200px' });
    observer.observe(end.current);
    return () => observer.disconnect();
  }, []);
  return <div ref={end} class="list-end" />;
}

function SessionList() {
  if (sessionsStatus.value === 'failed') {
    return (
      <div class="list-note">
        <p>{t('sessions_failed')}</p>
        <button type="button" class="text-button" onClick={followSessions}>{t('try_again')}</button>
      </div>
    );
  }
  if (sessionsStatus.value === 'ready' && !sessions.value.length) return <p class="list-note">{t('no_sessions')}</p>;
  const current = route.value.sessionId;
  return (
    <>
      {grouped(sessions.value).map(({ label, list }) => (
        <section key={label} aria-label={label}>
          <h2>{label}</h2>
          <ul>{list.map((session) => (
            <SessionItem key={session.SessionID} session={session} current={session.SessionID === current} />))}
          </ul>
        </section>
      ))}
      {hasMoreSessions.value && <MoreSessions key={sessions.value.length} />}
    </>
  );
}

function AccountMenu() {
  const items = [
    { label: t('settings'), icon: 'settings', run: () => go(settingsLink('models')) },
    { label: t('shortcuts'), icon: 'keyboard', run: () => { shortcutsOpen.value = true; } },
    null,
    { label: t('log_out'), icon: 'logout', run: () => logout().catch(notifyError) },
  ];
  const { username } = account.value;
  return (
    <Menu label={t('account_menu', { name: username })} class="account-button" items={items}>
      <span class="avatar" data-initial={[...username][0].toUpperCase()} />
      <span class="account-name">{username}</span>
      <Icon name="more" />
    </Menu>
  );
}

function newChat() {
  go('#/');
  drawerOpen.value = false;
  requestAnimationFrame(focusComposer);
}

export function Sidebar() {
  const hide = () => {
    if (drawerOpen.value) drawerOpen.value = false;
    else sidebarOpen.value = false;
  };
  return (
    <nav class="sidebar" aria-label={t('sessions')}>
      <div class="sidebar-head">
        <Logo small />
        <span class="brand">{t('brand')}</span>
        <button type="button" class="icon-button" aria-label={t('hide_sidebar')} title={`${t('hide_sidebar')} (Ctrl+B)`}
          onClick={hide}>
          <Icon name="sidebar" />
        </button>
      </div>
      <div class="sidebar-actions">
        <button type="button" class="sidebar-action strong" onClick={newChat}>
          <Icon name="plus" /> {t('new_chat')}
        </button>
        <button type="button" class="sidebar-action" onClick={() => { searchOpen.value = true; }}>
          <Icon name="search" /> {t('search')} <kbd>Ctrl K</kbd>
        </button>
      </div>
      <div class="session-list"><SessionList /></div>
      <AccountMenu />
    </nav>
  );
}
