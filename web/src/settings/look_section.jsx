import { LANGUAGES, chooseLanguage, language, t } from '../i18n/index.js';
import { contrast, enterSends, theme, wrapCode } from '../state/preferences.js';

function Choice({ legend, name, value, options, onChange }) {
  return (
    <fieldset class="choice">
      <legend>{legend}</legend>
      {options.map(([id, label]) => (
        <label key={id}>
          <input type="radio" name={name} value={id} checked={value === id} onChange={() => onChange(id)} />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Switch({ label, state }) {
  return (
    <label class="switch">
      <input type="checkbox" checked={state.value} onChange={(event) => { state.value = event.currentTarget.checked; }} />
      <span>{label}</span>
    </label>
  );
}

export function LookSection() {
  return (
    <>
      <Choice legend={t('language')} name="language" value={language.value} options={Object.entries(LANGUAGES)}
        onChange={chooseLanguage} />
      <Choice legend={t('theme')} name="theme" value={theme.value} onChange={(value) => { theme.value = value; }}
        options={['system', 'light', 'dark'].map((id) => [id, t(`theme_${id}`)])} />
      <Choice legend={t('contrast')} name="contrast" value={contrast.value} onChange={(value) => { contrast.value = value; }}
        options={[['system', t('theme_system')], ['more', t('contrast_more')]]} />
      <Switch label={t('enter_sends')} state={enterSends} />
      <Switch label={t('wrap_code')} state={wrapCode} />
    </>
  );
}
