// Logging in and making an account: one form, one step.
import { useSignal } from '@preact/signals';
import { t } from '../i18n/index.js';
import { login, register, wasHere } from '../state/account.js';
import { isComposing } from '../ui/composing.js';
import { Field } from '../ui/field.jsx';
import { Logo } from '../ui/logo.jsx';
import { LanguageChoice } from './language_choice.jsx';

const withoutEnterOfInputMethod = (event) => {
  if (event.key === 'Enter' && isComposing(event)) event.preventDefault();
};

export function SignIn() {
  const isNew = useSignal(!wasHere());
  const busy = useSignal(false);
  const error = useSignal('');

  const submit = async (event) => {
    event.preventDefault();
    const { username, password } = event.currentTarget.elements;
    busy.value = true;
    error.value = '';
    try {
      await (isNew.value ? register : login)(username.value.trim(), password.value);
    } catch (failure) {
      error.value = failure.message;
    } finally {
      busy.value = false;
    }
  };
  const change = () => {
    isNew.value = !isNew.value;
    error.value = '';
  };

  return (
    <main class="sign-in">
      <form class="card" onSubmit={submit} onKeyDown={withoutEnterOfInputMethod}>
        <Logo />
        <h1>{t(isNew.value ? 'sign_up_title' : 'sign_in_title')}</h1>
        <Field label={t('username')} name="username" autocomplete="username" required minLength={isNew.value ? 3 : 1}
          maxLength={50} autoFocus autocapitalize="none" spellcheck={false}
          hint={isNew.value ? t('username_hint') : undefined} />
        <Field label={t('password')} name="password" type="password" required minLength={isNew.value ? 6 : 1}
          maxLength={100} autocomplete={isNew.value ? 'new-password' : 'current-password'}
          hint={isNew.value ? t('password_hint') : undefined} />
        {error.value && <p class="form-error" role="alert">{error}</p>}
        <button type="submit" class="button primary wide" disabled={busy.value}>
          {t(isNew.value ? 'create_account' : 'log_in')}
        </button>
        <p class="sign-in-switch">
          {t(isNew.value ? 'have_account' : 'no_account')}{' '}
          <button type="button" class="text-button" onClick={change}>{t(isNew.value ? 'log_in' : 'create_account')}</button>
        </p>
      </form>
      <LanguageChoice />
    </main>
  );
}
