// A configuration: provider, model, key. The name is made of them unless somebody gives one.
import { useSignal } from '@preact/signals';
import { useId } from 'preact/hooks';
import { createConfiguration, updateConfiguration } from '../api/configurations.js';
import { t } from '../i18n/index.js';
import { isComposing } from '../ui/composing.js';
import { Field } from '../ui/field.jsx';
import { PROVIDERS, providerOf } from './providers.js';

/** What a local server wants for a key when it wants none: the API asks for one. */
const NO_KEY = 'none';

function valuesOf(form, provider, isNew) {
  const value = (name) => form.elements[name].value.trim();
  const values = {
    provider: provider.id,
    model_name: value('model_name'),
    base_url: value('base_url'),
    api_name: value('api_name') || `${provider.label} · ${value('model_name')}`.slice(0, 100),
  };
  const key = value('api_key') || (isNew && provider.local ? NO_KEY : '');
  return key ? { ...values, api_key: key } : values;
}

export function ConfigurationForm({ api, onSaved, onCancel }) {
  const isNew = !api.id;
  const provider = useSignal(providerOf(api.provider));
  const error = useSignal('');
  const busy = useSignal(false);
  const suggestions = useId();

  const save = async (event) => {
    event.preventDefault();
    busy.value = true;
    error.value = '';
    try {
      const values = valuesOf(event.currentTarget, provider.value, isNew);
      await (isNew ? createConfiguration(values) : updateConfiguration(api.id, values));
      await onSaved();
    } catch (failure) {
      error.value = failure.message;
    } finally {
      busy.value = false;
    }
  };
  const { local, models } = provider.value;
  return (
    <form class="setting-form" onSubmit={save} aria-label={t(isNew ? 'add_model' : 'change')}
      onKeyDown={(event) => { if (event.key === 'Enter' && isComposing(event)) event.preventDefault(); }}>
      <Field label={t('provider')}>
        {(field) => (
          <select {...field} value={provider.value.id}
            onChange={(event) => { provider.value = providerOf(event.currentTarget.value); }}>
            {PROVIDERS.map(({ id, label }) => <option key={id} value={id}>{label}</option>)}
          </select>
        )}
      </Field>
      <Field label={t('model_name')} name="model_name" required maxLength={200} defaultValue={api.model_name}
        list={suggestions} placeholder={models[0]} autocapitalize="none" spellcheck={false} autocomplete="off" />
      <datalist id={suggestions}>{models.map((name) => <option key={name} value={name} />)}</datalist>
      <Field label={t('api_key')} name="api_key" type="password" required={isNew && !local} maxLength={1000}
        autocomplete="off" placeholder={api.api_key ?? ''}
        hint={t(isNew ? (local ? 'api_key_local_hint' : 'api_key_hint') : 'api_key_keep_hint')} />
      <Field label={t('base_url')} name="base_url" type="url" required={Boolean(local)} maxLength={2000}
        defaultValue={api.base_url} placeholder={local} hint={t(local ? 'base_url_local_hint' : 'base_url_hint')} />
      <Field label={t('api_name')} name="api_name" maxLength={100} defaultValue={api.api_name} hint={t('api_name_hint')} />
      {error.value && <p class="form-error" role="alert">{error}</p>}
      <div class="dialog-actions">
        {onCancel && <button type="button" class="button" onClick={onCancel}>{t('cancel')}</button>}
        <button type="submit" class="button primary" disabled={busy.value}>{t('save')}</button>
      </div>
    </form>
  );
}
