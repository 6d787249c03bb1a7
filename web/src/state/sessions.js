// The list of sessions in the sidebar.
import { batch, signal } from '@preact/signals';
import * as api from '../api/sessions.js';
import { t } from '../i18n/index.js';
import { notify, notifyError } from './notices.js';
import { onTabs, tellTabs } from './tabs.js';

const PAGE = 40;

/** ChatSession objects as the server tells them, newest first. */
export const sessions = signal([]);
export const sessionsStatus = signal('loading');
export const hasMoreSessions = signal(false);
/** Deleted here, but the time for undoing is not over. */
const deleting = new Map();

let pages = 1;

const visibleOnly = (list) => list.filter((session) => !deleting.has(session.SessionID));

export async function loadSessions() {
  try {
    const answer = await api.listSessions(1, PAGE);
    batch(() => {
      const fresh = new Set(answer.data.map((session) => session.SessionID));
      const older = pages > 1 ? sessions.value.slice(PAGE).filter((session) => !fresh.has(session.SessionID)) : [];
      sessions.value = visibleOnly([...answer.data, ...older]);
      hasMoreSessions.value = answer.pagination.total_pages > pages;
      sessionsStatus.value = 'ready';
    });
  } catch (error) {
    if (!sessions.value.length && error.status !== 401) sessionsStatus.value = 'failed';
    throw error;
  }
}

/** After a change here. The list is not worth an error: the next refresh has it. */
export const refreshSessions = () => loadSessions().then(() => tellTabs('sessions'), () => {});
/** After a change elsewhere. */
export const followSessions = () => loadSessions().catch(() => {});
onTabs('sessions', followSessions);

let loadingMore = false;

export async function loadMoreSessions() {
  if (loadingMore || !hasMoreSessions.value) return;
  loadingMore = true;
  try {
    const answer = await api.listSessions(pages + 1, PAGE);
    pages += 1;
    const known = new Set(sessions.value.map((session) => session.SessionID));
    const more = answer.data.filter((session) => !known.has(session.SessionID));
    batch(() => {
      sessions.value = [...sessions.value, ...visibleOnly(more)];
      hasMoreSessions.value = answer.pagination.total_pages > pages;
    });
  } catch (error) {
    notifyError(error);
  } finally {
    loadingMore = false;
  }
}

export const sessionOf = (id) => sessions.value.find((session) => session.SessionID === id);

/** A new chat stands in the list as soon as its first message is written. */
export function sessionStarted(id, { message, model_name: modelName, persona = '' }) {
  const now = new Date().toISOString();
  const line = message.slice(0, 60).replace(/\s+/g, ' ').trim();
  sessions.value = [{
    SessionID: id, Title: line || t('new_chat'), ModelName: modelName, Persona: persona, MessageCount: 0,
    CreatedAt: now, UpdatedAt: now,
  }, ...sessions.value.filter((session) => session.SessionID !== id)];
}

/** Changes title, persona or model. */
export async function changeSession(id, changes) {
  try {
    const { session } = await api.updateSession(id, changes);
    sessions.value = sessions.value.map((known) => (known.SessionID === id ? session : known));
    tellTabs('sessions');
  } catch (error) {
    notifyError(error);
  }
}

/** Takes a session out of the list now, and deletes it when the time for undoing is over. */
export function removeSession(session) {
  const id = session.SessionID;
  const before = sessions.value;
  sessions.value = before.filter((known) => known.SessionID !== id);
  const notice = notify(t('session_deleted', { title: session.Title }), {
    action: {
      label: t('undo'),
      run: () => {
        deleting.delete(id);
        sessions.value = [...sessions.value, session].sort((a, b) => (a.UpdatedAt < b.UpdatedAt ? 1 : -1));
      },
    },
    onClose: () => deleteNow(session, false),
  });
  deleting.set(id, { session, notice });
}

async function deleteNow(session, keepalive) {
  try {
    await api.deleteSession(session.SessionID, keepalive);
    tellTabs('sessions');
  } catch (error) {
    if (error.status !== 404) {
      notifyError(error);
      sessions.value = [session, ...sessions.value];
    }
  } finally {
    deleting.delete(session.SessionID);
  }
}

addEventListener('pagehide', () => {
  for (const { session } of deleting.values()) deleteNow(session, true);
});
