// Who is logged in decides what is shown.
import { account, accountError, loadAccount } from '../state/account.js';
import { t } from '../i18n/index.js';
import { Announcer } from '../ui/announcer.jsx';
import { Notices } from '../ui/notices.jsx';
import { Shell } from './shell.jsx';
import { SignIn } from './sign_in.jsx';

function Unreachable() {
  return (
    <main class="center">
      <p role="alert">{accountError.value.message}</p>
      <button type="button" class="button primary" onClick={loadAccount}>{t('try_again')}</button>
    </main>
  );
}

function View() {
  if (account.value) return <Shell key={account.value.user_id} />;
  if (account.value === undefined && accountError.value) return <Unreachable />;
  return <SignIn />;
}

export function App() {
  return (
    <>
      <View />
      <Notices />
      <Announcer />
    </>
  );
}
