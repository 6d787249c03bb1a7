// Keys that work everywhere on the page; shortcut_list.jsx shows them.
import { useEffect } from 'preact/hooks';
import { conversation, stop } from '../state/chat.js';
import { sidebarOpen } from '../state/preferences.js';
import { go } from '../state/route.js';
import { searchOpen, shortcutsOpen } from '../state/windows.js';
import { isComposing } from '../ui/composing.js';

export const composerId = 'composer';
export const focusComposer = () => document.getElementById(composerId)?.focus();

const isField = (element) => element.matches?.('input, textarea, select, [contenteditable]');

/** Moves the focus to the message before or after the one that has it. */
function moveAlongMessages(step) {
  const list = [...document.querySelectorAll('.message')];
  const at = list.findIndex((message) => message.contains(document.activeElement));
  const next = at < 0 ? list.at(-1) : list[Math.min(Math.max(at + step, 0), list.length - 1)];
  next?.focus();
}

const KEYS = {
  'mod+k': () => { searchOpen.value = true; },
  'mod+shift+o': () => { go('#/'); focusComposer(); },
  'mod+b': () => { sidebarOpen.value = !sidebarOpen.value; },
  'alt+arrowup': () => moveAlongMessages(-1),
  'alt+arrowdown': () => moveAlongMessages(1),
};

/** Only when no text is being written. */
const BARE_KEYS = {
  '/': focusComposer,
  '?': () => { shortcutsOpen.value = true; },
};

function nameOf(event) {
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push('mod');
  if (event.altKey) parts.push('alt');
  if (event.shiftKey && parts.length) parts.push('shift'); // alone it only makes another character
  return [...parts, event.key.toLowerCase()].join('+');
}

function onKeyDown(event) {
  if (isComposing(event) || event.defaultPrevented) return;
  const name = nameOf(event);
  if (name === 'escape') {
    const chat = conversation.peek();
    if (chat.turn.peek() && !document.querySelector('dialog[open]')) stop(chat);
    return;
  }
  const action = KEYS[name] ?? (isField(event.target) || document.querySelector('dialog[open]') ? null : BARE_KEYS[name]);
  if (!action) return;
  event.preventDefault();
  action();
}

export function useShortcuts() {
  useEffect(() => {
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);
}
