import { useSignal } from '@preact/signals';
import { updatePassword } from '../api/account.js';
import { t } from '../i18n/index.js';
import { account } from '../state/account.js';
import { notify } from '../state/notices.js';
import { isComposing } from '../ui/composing.js';
import { Field } from '../ui/field.jsx';

export function AccountSection() {
  const error = useSignal('');
  const save = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    error.value = '';
    try {
      await updatePassword(form.elements.old_password.value, form.elements.new_password.value);
      form.reset();
      notify(t('password_changed'));
    } catch (failure) {
      error.value = failure.message;
    }
  };
  return (
    <form class="setting-form" onSubmit={save} aria-label={t('change_password')}
      onKeyDown={(event) => { if (event.key === 'Enter' && isComposing(event)) event.preventDefault(); }}>
      <input type="text" name="username" autocomplete="username" value={account.value.username} readOnly hidden />
      <Field label={t('old_password')} name="old_password" type="password" required autocomplete="current-password" />
      <Field label={t('new_password')} name="new_password" type="password" required minLength={6} maxLength={100}
        autocomplete="new-password" hint={t('password_hint')} />
      {error.value && <p class="form-error" role="alert">{error}</p>}
      <div class="dialog-actions">
        <button type="submit" class="button primary">{t('change_password')}</button>
      </div>
    </form>
  );
}
