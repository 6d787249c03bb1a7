// What the places for longer texts share.
import { isComposing } from '../ui/composing.js';

const GROWS_ITSELF = CSS.supports('field-sizing', 'content');

/** Makes the area as high as its text; style sheets give the limit. */
export function growTextArea(area) {
  if (GROWS_ITSELF) return;
  area.style.height = 'auto';
  area.style.height = `${area.scrollHeight + 2}px`;
}

/** Whether the key sends the text, by the user's choice; never while an input method composes. */
export function isSendKey(event, enterSends) {
  if (event.key !== 'Enter' || isComposing(event)) return false;
  if (event.ctrlKey || event.metaKey) return true;
  return enterSends && !event.shiftKey && !event.altKey;
}
