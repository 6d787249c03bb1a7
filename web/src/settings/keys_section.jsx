// Personal keys: they open /v1 to other programs. A key is shown once.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { createKey, deleteKey, listKeys } from '../api/keys.js';
import { t } from '../i18n/index.js';
import { notifyError } from '../state/notices.js';
import { isComposing } from '../ui/composing.js';
import { CopyButton } from '../ui/copy_button.jsx';
import { Confirmation } from '../ui/dialog.jsx';
import { Field } from '../ui/field.jsx';
import { formatTime } from '../ui/format.js';

function Key({ item, onDeleted }) {
  const asking = useSignal(false);
  const used = item.last_used_at ? t('key_used', { time: formatTime(item.last_used_at) }) : t('key_unused');
  return (
    <li class="setting-card">
      <div class="setting-card-head">
        <strong dir="auto">{item.name}</strong>
        <span class="muted">{item.prefix}… · {used}</span>
      </div>
      <div class="setting-card-actions">
        <button type="button" class="text-button danger" onClick={() => { asking.value = true; }}>{t('delete')}</button>
      </div>
      {asking.value && (
        <Confirmation text={t('delete_key', { name: item.name })} label={t('delete')}
          onConfirm={() => deleteKey(item.id).then(onDeleted, notifyError)} onClose={() => { asking.value = false; }} />
      )}
    </li>
  );
}

export function KeysSection() {
  const keys = useSignal([]);
  const made = useSignal(null);
  const load = () => listKeys().then(({ data }) => { keys.value = data; }, notifyError);
  useEffect(() => { load(); }, []);

  const create = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    try {
      made.value = await createKey(form.elements.name.value.trim());
      form.reset();
      await load();
    } catch (error) {
      notifyError(error);
    }
  };
  const address = new URL('v1', document.baseURI);
  address.hash = '';
  return (
    <>
      <p class="muted">{t('key_address')} <code dir="ltr">{address.href}</code></p>
      {made.value && (
        <div class="new-key" role="status">
          <p>{t('key_made')}</p>
          <div class="new-key-value">
            <code dir="ltr">{made.value.key}</code>
            <CopyButton text={made.value.key} label={t('copy_key')} />
          </div>
        </div>
      )}
      <ul class="setting-list">{keys.value.map((item) => <Key key={item.id} item={item} onDeleted={load} />)}</ul>
      <form class="setting-form inline" onSubmit={create}
        onKeyDown={(event) => { if (event.key === 'Enter' && isComposing(event)) event.preventDefault(); }}>
        <Field label={t('key_name')} name="name" required maxLength={100} />
        <button type="submit" class="button">{t('create_key')}</button>
      </form>
    </>
  );
}
