// A Markdown text as components. `live`: more of it is coming.
import { Component } from 'preact';
import { useId, useMemo, useRef } from 'preact/hooks';
import { Block } from './blocks.jsx';
import { MarkdownDocument } from './document.js';
import { FootnoteContext, FootnoteList } from './footnote_list.jsx';
import { numberFootnotes } from './footnotes.js';

/** Blocks with a parent of their own: when they are the same, they are not looked at. */
const GROUP = 24;

class BlockGroup extends Component {
  shouldComponentUpdate({ blocks }) {
    return blocks.length !== this.props.blocks.length || blocks.some((block, i) => block !== this.props.blocks[i]);
  }

  render({ blocks }) {
    return blocks.map((token, i) => <Block key={i} token={token} />);
  }
}

function groups(blocks) {
  const found = [];
  for (let i = 0; i < blocks.length; i += GROUP) found.push(blocks.slice(i, i + GROUP));
  return found;
}

export function Markdown({ text, live = false }) {
  const document = useRef(null);
  document.current ??= new MarkdownDocument();
  const id = useId();
  const blocks = useMemo(() => document.current.update(text, !live), [text, live]);
  const footnotes = useMemo(() => ({ id, list: numberFootnotes(blocks) }), [blocks]);
  return (
    <FootnoteContext.Provider value={footnotes}>
      <div class="markdown" dir="auto">
        {groups(blocks).map((group, i) => <BlockGroup key={i} blocks={group} />)}
        <FootnoteList />
      </div>
    </FootnoteContext.Provider>
  );
}
