// Who is logged in.
import { signal } from '@preact/signals';
import * as api from '../api/account.js';
import { untilReached } from '../api/retry.js';
import { setSignedOutHandler } from '../api/http.js';
import { clearStored, closeStorage, readPreference, readStored, writePreference, writeStored } from './storage.js';
import { onTabs, tellTabs } from './tabs.js';

/** undefined: not known yet; null: nobody; {user_id, username, role} */
export const account = signal(undefined);
/** An error that kept us from asking; the page offers to try again. */
export const accountError = signal(null);

setSignedOutHandler(() => { account.value = null; });
onTabs('account', loadAccount);

/** Resolves as soon as something can be shown, and goes on asking when the server cannot be reached. */
export function loadAccount() {
  return new Promise((done) => {
    const failed = (error) => {
      accountError.value = error.status === 401 ? null : error;
      done();
    };
    untilReached(api.me, failed).then((answer) => {
      accountError.value = null;
      setAccount(answer);
    }).catch(failed).finally(done);
  });
}

/** Whether somebody has been logged in on this device. */
export const wasHere = () => readPreference('was_here') === true;

/** Nothing of the user before stays, neither in the page nor in what the browser keeps. */
function beginAnew() {
  closeStorage();
  location.hash = '#/';
  location.reload();
}

let shownTo; // the user whose chats are in the page

function setAccount(value) {
  const owner = readStored('owner');
  if (owner !== undefined && owner !== value.user_id) clearStored();
  writeStored('owner', value.user_id);
  writePreference('was_here', true);
  if (shownTo !== undefined && shownTo !== value.user_id) beginAnew();
  shownTo = value.user_id;
  account.value = value;
}

async function enter(answer) {
  setAccount({ user_id: answer.user.id, username: answer.user.username, role: 'user' });
  tellTabs('account');
}

export const login = async (username, password) => enter(await api.login(username, password));
export const register = async (username, password) => enter(await api.register(username, password));

export async function logout() {
  await api.logout();
  tellTabs('account');
  beginAnew();
}
