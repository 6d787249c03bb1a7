// What is not needed to chat, loaded when it is shown first: one file, so that little is split off.

export { FileDialog } from '../chat/file_dialog.jsx';
export { MessageEditor } from '../chat/message_editor.jsx';
export { printChat } from '../chat/print_chat.js';
export { PersonaDialog } from '../chat/persona_dialog.jsx';
export { Settings } from '../settings/settings.jsx';
export { SearchDialog } from '../search/search_dialog.jsx';
export { ShortcutList } from './shortcut_list.jsx';
export { TitleField } from './title_field.jsx';
