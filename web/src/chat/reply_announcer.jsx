// Tells screen readers a reply as it comes: whole sentences, not pieces of words.
import { useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { t } from '../i18n/index.js';
import { announce } from '../ui/announcer.jsx';

const SENTENCE_END = /[。！？\n]|[.!?](?=\s)/g;

/** The text as it is said: without the signs of Markdown. */
const spoken = (text) => text.replace(/```[^]*?(```|$)/g, ' ').replace(/[*_`#>|~]+/g, '').replace(/\s+/g, ' ').trim();

/** Where the last whole sentence ends, after `from`. */
export function sentenceEnd(text, from) {
  let end = from;
  SENTENCE_END.lastIndex = from;
  for (let match; (match = SENTENCE_END.exec(text));) end = match.index + match[0].length;
  return end;
}

export function ReplyAnnouncer({ chat }) {
  const said = useRef({ turn: null, end: 0 });
  useSignalEffect(() => {
    const turn = chat.turn.value;
    const before = said.current;
    if (turn !== before.turn) {
      if (before.turn) announce(`${spoken(before.turn.live.text.content.slice(before.end))} ${t('reply_complete')}`);
      said.current = { turn, end: 0 };
    }
    if (!turn) return;
    const text = turn.live.content.value;
    const end = sentenceEnd(text, said.current.end);
    if (end === said.current.end) return;
    announce(spoken(text.slice(said.current.end, end)));
    said.current.end = end;
  });
  return null;
}
