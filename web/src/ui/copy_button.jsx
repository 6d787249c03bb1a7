import { useSignal } from '@preact/signals';
import { t } from '../i18n/index.js';
import { notify } from '../state/notices.js';
import { announce } from './announcer.jsx';
import { Icon } from './icon.jsx';

/** The clipboard needs a secure context; plain http from another machine has only the old way. */
async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'offscreen';
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  if (!copied) throw new Error('refused');
}

export function CopyButton({ text, label }) {
  const copied = useSignal(false);
  const copy = async () => {
    try {
      await copyText(text);
      copied.value = true;
      announce(t('copied'));
      setTimeout(() => { copied.value = false; }, 1500);
    } catch {
      notify(t('copy_failed'), { kind: 'error' });
    }
  };
  return (
    <button type="button" class="icon-button" title={label} aria-label={label} onClick={copy}>
      <Icon name={copied.value ? 'check' : 'copy'} />
    </button>
  );
}
