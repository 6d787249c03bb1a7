// Loads what is not needed to chat: its code and its styles.
import { loadStyle } from '../ui/style_sheet.js';

export async function loadExtras() {
  const [module] = await Promise.all([import('./extras.jsx'), loadStyle('extras')]);
  return module;
}
