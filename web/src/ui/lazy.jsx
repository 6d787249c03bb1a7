// A component whose code is loaded when it is shown first: the export `name` of what `load` imports.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { t } from '../i18n/index.js';

export function lazy(load, name) {
  let Loaded;
  return function Lazy(properties) {
    const failed = useSignal(false);
    const ready = useSignal(Boolean(Loaded));
    const attempt = () => {
      failed.value = false;
      load().then((module) => {
        Loaded = module[name];
        ready.value = true;
      }, () => {
        failed.value = true;
      });
    };
    useEffect(() => {
      if (!Loaded) attempt();
    }, []);
    if (ready.value) return <Loaded {...properties} />;
    if (!failed.value) return null;
    return (
      <div class="center" role="alert">
        <p>{t('error_unreachable')}</p>
        <button type="button" class="button" onClick={attempt}>{t('try_again')}</button>
      </div>
    );
  };
}
