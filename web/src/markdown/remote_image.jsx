// An image from another host. The page itself may not load such a thing (img-src): a frame does, a document without an
// origin that may load images and nothing else.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.js';

const frameAddress = () => document.querySelector('link[data-part="image"]').href;

export function RemoteImage({ href, name }) {
  const frame = useRef(null);
  const told = useSignal(null); // {width, height} or {failed}
  useEffect(() => {
    const onMessage = ({ source, data }) => {
      if (source === frame.current?.contentWindow) told.value = data;
    };
    addEventListener('message', onMessage);
    return () => removeEventListener('message', onMessage);
  }, []);
  if (told.value?.failed) return <span role="alert">{t('image_failed')}</span>;
  const { width = 160, height = 90 } = told.value ?? {};
  return (
    <iframe ref={frame} class="remote-image-frame" title={name} sandbox="allow-scripts" referrerpolicy="no-referrer"
      src={`${frameAddress()}#${encodeURIComponent(href)}`} style={{ width: `${width}px`, aspectRatio: `${width} / ${height}` }} />
  );
}
