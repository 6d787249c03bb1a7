// Search over all messages, and over the titles that are loaded. Arrows choose, Enter opens.
import { useSignal } from '@preact/signals';
import { useEffect, useId, useRef } from 'preact/hooks';
import { search } from '../api/sessions.js';
import { t } from '../i18n/index.js';
import { chatLink, go } from '../state/route.js';
import { sessions } from '../state/sessions.js';
import { isComposing } from '../ui/composing.js';
import { Dialog } from '../ui/dialog.jsx';
import { dayGroup } from '../ui/format.js';
import { Icon } from '../ui/icon.jsx';
import { Marked } from './marked.jsx';

const DELAY = 180;
const TITLES_MAX = 6;

function titleHits(query) {
  const wanted = query.toLowerCase();
  return sessions.value.filter((session) => !wanted || session.Title.toLowerCase().includes(wanted))
    .slice(0, TITLES_MAX)
    .map((session) => ({
      key: session.SessionID, link: chatLink(session.SessionID), title: session.Title, time: session.UpdatedAt,
    }));
}

const messageHit = (row) => ({
  key: `${row.session_id}/${row.message_id}`, link: chatLink(row.session_id, row.message_id), title: row.title,
  snippet: row.snippet, time: row.created_at, role: row.role,
});

/** What is found, a moment after somebody stops typing; {hits, total, status}. */
function useHits(query) {
  const found = useSignal({ query: '', hits: [], total: 0, status: 'ready' });
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      if (!query) {
        found.value = { query, hits: [], total: 0, status: 'ready' };
        return;
      }
      try {
        const answer = await search(query, 1, abort.signal);
        found.value = { query, hits: answer.data.map(messageHit), total: answer.pagination.total, status: 'ready' };
      } catch (error) {
        if (error.name !== 'AbortError') found.value = { query, hits: [], total: 0, status: error.message };
      }
    }, query ? DELAY : 0);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [query]);
  return found.value;
}

function Hit({ hit, id, active, query, onPick, onHover }) {
  const element = useRef(null);
  useEffect(() => {
    if (active) element.current.scrollIntoView({ block: 'nearest' });
  }, [active]);
  return (
    <li ref={element} id={id} role="option" aria-selected={active} onClick={onPick} onMouseMove={onHover}>
      <Icon name={hit.snippet ? 'search' : 'menu'} />
      <span class="hit-text">
        <span class="hit-title" dir="auto"><Marked text={hit.title} query={query} /></span>
        {hit.snippet && <span class="hit-snippet" dir="auto"><Marked text={hit.snippet} query={query} /></span>}
      </span>
      <span class="muted hit-time">{dayGroup(hit.time)}</span>
    </li>
  );
}

export function SearchDialog({ onClose }) {
  const text = useSignal('');
  const active = useSignal(0);
  const id = useId();
  const query = text.value.trim();
  const found = useHits(query);
  const hits = [...titleHits(query), ...found.hits];
  const at = Math.min(active.value, Math.max(0, hits.length - 1));

  const pick = (hit) => {
    if (!hit) return;
    onClose();
    go(hit.link);
  };
  const onKeyDown = (event) => {
    if (isComposing(event)) return;
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1 };
    if (event.key in moves && hits.length) {
      event.preventDefault();
      active.value = (moves[event.key] + hits.length) % hits.length;
    } else if (event.key === 'Enter') {
      event.preventDefault();
      pick(hits[at]);
    }
  };
  const nothing = query && found.query === query && !hits.length;
  return (
    <Dialog title={t('search')} onClose={onClose} kind="search">
      <input class="search-field" type="text" inputMode="search" role="combobox" aria-expanded={hits.length > 0} aria-controls={id}
        aria-activedescendant={hits.length ? `${id}-${at}` : undefined} aria-label={t('search_hint')} aria-autocomplete="list"
        placeholder={t('search_hint')} maxLength={200} autoFocus onKeyDown={onKeyDown} dir="auto"
        onInput={(event) => { text.value = event.currentTarget.value; active.value = 0; }} />
      <ul id={id} class="hits" role="listbox" aria-label={t('search_results')}>
        {hits.map((hit, i) => (
          <Hit key={hit.key} id={`${id}-${i}`} hit={hit} active={i === at} query={query}
            onPick={() => pick(hit)} onHover={() => { active.value = i; }} />
        ))}
      </ul>
      <p class="hint" role="status">
        {nothing ? t('nothing_found') : found.status !== 'ready' ? found.status : found.total > found.hits.length && t('more_found', { total: found.total })}
      </p>
    </Dialog>
  );
}
