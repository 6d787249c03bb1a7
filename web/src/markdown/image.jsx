// An image of a reply. One from elsewhere is never loaded by itself: its address would tell that host who reads what.
// It opens in a tab of its own when somebody asks for it.
import { t } from '../i18n/index.js';
import { Icon } from '../ui/icon.jsx';
import { isEmbeddedImage, safeAddress } from './links.js';

export function Image({ token }) {
  if (isEmbeddedImage(token.href)) return <img class="embedded" src={token.href} alt={token.text} />;
  const href = safeAddress(token.href);
  if (!href?.startsWith('http')) return token.raw;
  return (
    <a class="remote-image" href={href} target="_blank" rel="noopener noreferrer nofollow">
      <Icon name="image" />
      <span>{token.text || t('image')}</span>
      <span class="muted">{t('open_at', { host: new URL(href).host })}</span>
    </a>
  );
}
