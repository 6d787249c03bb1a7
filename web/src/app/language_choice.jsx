import { LANGUAGES, chooseLanguage, language } from '../i18n/index.js';

export function LanguageChoice() {
  return (
    <div class="language-choice">
      {Object.entries(LANGUAGES).map(([code, name]) => (
        <button key={code} type="button" class="text-button" lang={code === 'zh' ? 'zh-Hans' : code}
          aria-pressed={language.value === code} onClick={() => chooseLanguage(code)}>
          {name}
        </button>
      ))}
    </div>
  );
}
