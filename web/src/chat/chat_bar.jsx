// Above the messages: the model and the persona that speak, and the session's title for screen readers and print.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { loadExtras } from '../app/load_extras.js';
import { t } from '../i18n/index.js';
import { chooseModel, choosePersona, modelOf, personaOf } from '../state/choice.js';
import { models, personas } from '../state/models.js';
import { sidebarOpen } from '../state/preferences.js';
import { go, settingsLink } from '../state/route.js';
import { sessionOf } from '../state/sessions.js';
import { drawerOpen } from '../state/windows.js';
import { Icon } from '../ui/icon.jsx';
import { lazy } from '../ui/lazy.jsx';
import { Menu } from '../ui/menu.jsx';

const PersonaDialog = lazy(loadExtras, 'PersonaDialog');

function ModelPicker({ chat }) {
  const current = modelOf(chat);
  const items = models.value.map((model) => ({
    label: model.model_name,
    description: model.builtin ? t('builtin_model') : model.provider,
    checked: model.model_name === current,
    run: () => chooseModel(chat, model.model_name),
  }));
  items.push(null, { label: t('add_model'), icon: 'plus', run: () => go(settingsLink('models')) });
  return (
    <Menu label={t('model_picker', { name: current })} title={t('model')} class="picker" items={items}>
      <span class="picker-name">{current || t('model')}</span>
      <Icon name="down" />
    </Menu>
  );
}

function PersonaPicker({ chat }) {
  const reading = useSignal(false);
  if (!personas.value.length) return null;
  const current = personaOf(chat);
  const choose = (name) => choosePersona(chat, name);
  const items = personas.value.map(({ name, content }) => ({
    label: name, description: content, checked: name === current, run: () => choose(name),
  }));
  items.push(null, { label: t('read_personas'), icon: 'file', run: () => { reading.value = true; } });
  return (
    <>
      <Menu label={t('persona_picker', { name: current })} title={t('persona')} class="picker persona" items={items}>
        <Icon name="user" />
        <span class="picker-name">{current}</span>
      </Menu>
      {reading.value && <PersonaDialog current={current} onChoose={choose} onClose={() => { reading.value = false; }} />}
    </>
  );
}

function MenuButton() {
  const show = () => {
    if (matchMedia('(max-width: 767px)').matches) drawerOpen.value = true;
    else sidebarOpen.value = true;
  };
  return (
    <button type="button" class={`icon-button show-sidebar${sidebarOpen.value ? ' narrow-only' : ''}`}
      aria-label={t('show_sidebar')} title={t('show_sidebar')} onClick={show}>
      <Icon name="menu" />
    </button>
  );
}

export function ChatBar({ chat }) {
  const title = sessionOf(chat.id)?.Title ?? t('new_chat');
  useEffect(() => {
    document.title = chat.id ? `${title} · ${t('brand')}` : t('brand');
  }, [title, chat.id]);
  return (
    <header class="chat-bar">
      <MenuButton />
      <ModelPicker chat={chat} />
      <PersonaPicker chat={chat} />
      <h1 class="chat-title" dir="auto">{title}</h1>
      {chat.id && (
        <button type="button" class="icon-button wide-only" aria-label={t('print')} title={t('print')}
          onClick={() => loadExtras().then((extras) => extras.printChat(chat), () => print())}>
          <Icon name="print" />
        </button>
      )}
      <button type="button" class="icon-button" aria-label={t('new_chat')} title={t('new_chat')} onClick={() => go('#/')}>
        <Icon name="plus" />
      </button>
    </header>
  );
}
