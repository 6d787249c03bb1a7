// The settings: one section at a time, each with an address.
import { t } from '../i18n/index.js';
import { conversation } from '../state/chat.js';
import { chatLink, settingsLink } from '../state/route.js';
import { Icon } from '../ui/icon.jsx';
import { AccountSection } from './account_section.jsx';
import { KeysSection } from './keys_section.jsx';
import { LookSection } from './look_section.jsx';
import { ModelsSection } from './models_section.jsx';
import { UsageSection } from './usage_section.jsx';

const SECTIONS = {
  models: ModelsSection,
  look: LookSection,
  usage: UsageSection,
  keys: KeysSection,
  account: AccountSection,
};

export function Settings({ section }) {
  const current = Object.hasOwn(SECTIONS, section) ? section : 'models';
  const Section = SECTIONS[current];
  const { id } = conversation.value;
  return (
    <div class="settings">
      <header class="settings-head">
        <h1>{t('settings')}</h1>
        <a class="icon-button" href={id ? chatLink(id) : '#/'} aria-label={t('back_to_chat')} title={t('back_to_chat')}>
          <Icon name="close" />
        </a>
      </header>
      <nav class="settings-nav" aria-label={t('settings')}>
        {Object.keys(SECTIONS).map((name) => (
          <a key={name} href={settingsLink(name)} aria-current={name === current ? 'page' : undefined}>
            {t(`settings_${name}`)}
          </a>
        ))}
      </nav>
      <section class="settings-section" aria-labelledby="settings-title">
        <h2 id="settings-title">{t(`settings_${current}`)}</h2>
        <p class="muted">{t(`settings_${current}_text`)}</p>
        <Section />
      </section>
    </div>
  );
}
