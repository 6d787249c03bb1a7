// Before the first message: three things to try.
import { t } from '../i18n/index.js';
import { sendText } from '../state/chat.js';
import { modelOf, personaOf } from '../state/choice.js';
import { modelsLoaded } from '../state/models.js';
import { Logo } from '../ui/logo.jsx';

const TRIALS = ['try_what', 'try_key', 'try_stream'];

export function EmptyState({ chat }) {
  const ask = async (text) => {
    await modelsLoaded;
    if (chat.busy.value || !modelOf(chat)) return;
    sendText(chat, { message: text, model_name: modelOf(chat), persona: personaOf(chat) || undefined });
  };
  return (
    <div class="messages">
      <div class="empty-state">
        <Logo />
        <h2>{t('empty_title')}</h2>
        <p class="muted">{t('empty_text')}</p>
        <ul>
          {TRIALS.map((key) => (
            <li key={key}>
              <button type="button" onClick={() => ask(t(`${key}_text`))}>
                <strong>{t(key)}</strong>
                <span class="muted">{t(`${key}_text`)}</span>
              </button>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
