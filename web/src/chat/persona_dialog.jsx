// The personas with all that each of them is told to be.
import { t } from '../i18n/index.js';
import { personas } from '../state/models.js';
import { Dialog } from '../ui/dialog.jsx';

export function PersonaDialog({ current, onChoose, onClose }) {
  const choose = (name) => {
    onChoose(name);
    onClose();
  };
  return (
    <Dialog title={t('personas')} onClose={onClose} kind="wide">
      {personas.value.map(({ name, content }) => (
        <section class="persona-text" key={name}>
          <header>
            <h3 dir="auto">{name}</h3>
            <button type="button" class="button" aria-label={t('choose_persona', { name })} disabled={name === current}
              onClick={() => choose(name)}>
              {t(name === current ? 'chosen' : 'choose')}
            </button>
          </header>
          <p dir="auto">{content}</p>
        </section>
      ))}
    </Dialog>
  );
}
