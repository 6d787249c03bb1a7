// An image of a reply. One from elsewhere is not loaded before somebody asks for it: its address would tell that host
// who reads what.
import { useSignal } from '@preact/signals';
import { t } from '../i18n/index.js';
import { Icon } from '../ui/icon.jsx';
import { isEmbeddedImage, safeAddress } from './links.js';
import { RemoteImage } from './remote_image.jsx';

export function Image({ token }) {
  const asked = useSignal(false);
  if (isEmbeddedImage(token.href)) return <img class="embedded" src={token.href} alt={token.text} />;
  const href = safeAddress(token.href);
  if (!href?.startsWith('http')) return token.raw;
  const { host, protocol } = new URL(href);
  const name = token.text || t('image');
  return (
    <span class="remote-image">
      <span class="remote-image-bar">
        <Icon name="image" />
        <span>{name}</span>
        {protocol === 'https:' && !asked.value && (
          <button type="button" class="text-button" aria-label={t('show_image_named', { name, host })}
            onClick={() => { asked.value = true; }}>
            {t('show_image', { host })}
          </button>
        )}
        <a href={href} target="_blank" rel="noopener noreferrer nofollow" aria-label={`${name}: ${t('open_at', { host })}`}>
          {t('open_at', { host })}
        </a>
      </span>
      {asked.value && <RemoteImage key={href} href={href} name={name} />}
    </span>
  );
}
