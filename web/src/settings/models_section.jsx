// API configurations: the list, and the form for one of them.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { deleteConfiguration, listConfigurations, testConfiguration } from '../api/configurations.js';
import { t } from '../i18n/index.js';
import { loadModels } from '../state/models.js';
import { notifyError } from '../state/notices.js';
import { Confirmation } from '../ui/dialog.jsx';
import { Icon } from '../ui/icon.jsx';
import { ConfigurationForm } from './configuration_form.jsx';
import { providerOf } from './providers.js';
import { testWords } from './test_words.js';

function Test({ result }) {
  if (!result) return null;
  if (result.running) return <p class="hint" role="status">{t('test_running')}</p>;
  return (
    <p class={`test-result ${result.ok ? 'good' : 'bad'}`} role="status">
      <Icon name={result.ok ? 'check' : 'warning'} />
      <span>{testWords(result)}</span>
    </p>
  );
}

function Configuration({ api, onEdit, onDeleted }) {
  const result = useSignal(null);
  const asking = useSignal(false);
  const test = async () => {
    result.value = { running: true };
    try {
      result.value = await testConfiguration(api.id);
    } catch (error) {
      result.value = { ok: false, text: error.message };
    }
  };
  const remove = () => deleteConfiguration(api.id).then(onDeleted, notifyError);
  return (
    <li class="setting-card">
      <div class="setting-card-head">
        <strong dir="auto">{api.model_name}</strong>
        <span class="muted" dir="auto">{api.api_name} · {providerOf(api.provider).label} · {api.api_key}</span>
        {api.base_url && <span class="muted" dir="ltr">{api.base_url}</span>}
      </div>
      <div class="setting-card-actions">
        <button type="button" class="text-button" disabled={result.value?.running} onClick={test}>{t('test')}</button>
        <button type="button" class="text-button" onClick={onEdit}>{t('change')}</button>
        <button type="button" class="text-button danger" onClick={() => { asking.value = true; }}>{t('delete')}</button>
      </div>
      <Test result={result.value} />
      {asking.value && (
        <Confirmation text={t('delete_model', { name: api.model_name })} label={t('delete')} onConfirm={remove}
          onClose={() => { asking.value = false; }} />
      )}
    </li>
  );
}

export function ModelsSection() {
  const apis = useSignal(null);
  const editing = useSignal(null); // the configuration in the form; {} is a new one
  const load = async () => {
    editing.value = null;
    try {
      apis.value = (await listConfigurations()).apis;
      await loadModels();
    } catch (error) {
      notifyError(error);
    }
  };
  useEffect(() => { load(); }, []);
  if (!apis.value) return null;
  const formOpen = editing.value || !apis.value.length;
  return (
    <>
      <ul class="setting-list">
        {apis.value.map((api) => (
          <Configuration key={api.id} api={api} onEdit={() => { editing.value = api; }} onDeleted={load} />
        ))}
      </ul>
      {formOpen ? (
        <ConfigurationForm key={editing.value?.id ?? 'new'} api={editing.value ?? {}} onSaved={load}
          onCancel={apis.value.length ? () => { editing.value = null; } : undefined} />
      ) : (
        <button type="button" class="button" onClick={() => { editing.value = {}; }}>
          <Icon name="plus" /> {t('add_model')}
        </button>
      )}
    </>
  );
}
