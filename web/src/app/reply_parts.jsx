// What replies need, loaded beside the first messages: one file, so that little is split off.

export { ReplyNote } from '../chat/reply_note.jsx';
export { Markdown } from '../markdown/markdown.jsx';
