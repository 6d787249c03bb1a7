// What is not needed to chat, loaded when it is shown first: one file, so that little is split off.
export { Settings } from '../settings/settings.jsx';
export { SearchDialog } from '../search/search_dialog.jsx';
export { ShortcutList } from './shortcut_list.jsx';
