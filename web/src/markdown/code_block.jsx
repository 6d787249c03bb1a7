// A block of code: its language, a button that copies it, one that wraps long lines.
import { useSignal } from '@preact/signals';
import { Component } from 'preact';
import { useMemo } from 'preact/hooks';
import { t } from '../i18n/index.js';
import { wrapCode } from '../state/preferences.js';
import { CopyButton } from '../ui/copy_button.jsx';
import { Icon } from '../ui/icon.jsx';
import { useHighlighted } from './highlighting.js';

/** Lines in a part. Only the last part changes while code is written. */
const PART = 60;

function parts(code) {
  const lines = code.split('\n');
  const found = [];
  for (let i = 0; i < lines.length; i += PART) found.push(lines.slice(i, i + PART).join('\n'));
  return found;
}

class Part extends Component {
  shouldComponentUpdate({ text }) {
    return text !== this.props.text;
  }

  render({ text }) {
    return <span class="code-part">{text}</span>;
  }
}

function Plain({ code }) {
  return parts(code).map((text, i) => <Part key={i} text={text} />);
}

export function CodeBlock({ code, language, closed }) {
  const name = useMemo(() => language.trim().split(/[\s{,:]/)[0].slice(0, 30), [language]);
  const highlighted = useHighlighted(code, name, closed);
  const wrapped = useSignal(wrapCode.value);
  const toggle = () => {
    wrapped.value = !wrapped.value;
    wrapCode.value = wrapped.value;
  };
  return (
    <figure class="code-block">
      <figcaption>
        <span class="code-language">{name || t('code')}</span>
        <button type="button" class="icon-button" aria-pressed={wrapped.value} title={t('wrap_lines')}
          aria-label={t('wrap_lines')} onClick={toggle}>
          <Icon name="wrap" />
        </button>
        <CopyButton text={code} label={t('copy_code')} />
      </figcaption>
      <pre class={wrapped.value ? 'wrapped' : undefined} tabIndex={0} dir="ltr">
        <code>{highlighted ?? <Plain code={code} />}</code>
      </pre>
    </figure>
  );
}
