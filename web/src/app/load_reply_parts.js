// Loads what replies need: its code and its styles.
import { loadStyle } from '../ui/style_sheet.js';

let loading;

export function loadReplyParts() {
  loading ??= Promise.all([import('./reply_parts.jsx'), loadStyle('reply')]).then(([module]) => module);
  loading.catch(() => { loading = undefined; }); // the network: who asks next tries again
  return loading;
}
