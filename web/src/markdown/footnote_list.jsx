import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { t } from '../i18n/index.js';
import { Inline } from './inline.jsx';

/** {id, list}: the footnotes of the text around; ids are its own, since several texts stand on one page. */
export const FootnoteContext = createContext({ id: '', list: [] });

const noteId = (id, number) => `${id}-note-${number}`;
const referenceId = (id, number) => `${id}-reference-${number}`;

/** Moves without an address: the part after `#` is the page's route. */
function jump(event, target) {
  event.preventDefault();
  const element = document.getElementById(target);
  element?.scrollIntoView({ block: 'center' });
  element?.focus({ preventScroll: true });
}

export function FootnoteReference({ token }) {
  const { id, list } = useContext(FootnoteContext);
  const note = list.find(({ label }) => label === token.label);
  if (!note) return token.raw;
  return (
    <sup class="footnote-reference">
      <button type="button" id={referenceId(id, note.number)} aria-label={t('footnote', note)}
        onClick={(event) => jump(event, noteId(id, note.number))}>
        {note.number}
      </button>
    </sup>
  );
}

export function FootnoteList() {
  const { id, list } = useContext(FootnoteContext);
  if (!list.length) return null;
  return (
    <section class="footnotes" aria-label={t('footnotes')}>
      <ol>
        {list.map(({ label, number, tokens }) => (
          <li key={label} id={noteId(id, number)} tabIndex={-1}>
            <Inline tokens={tokens} />{' '}
            <button type="button" class="footnote-back" aria-label={t('footnote_back', { number })}
              onClick={(event) => jump(event, referenceId(id, number))}>
              ↩
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}
