// Block tokens: paragraphs, lists, tables. A block is shown anew only when its token is another one.
import { Component } from 'preact';
import { t } from '../i18n/index.js';
import { CodeBlock } from './code_block.jsx';
import { Inline } from './inline.jsx';
import { Formula } from './formula.jsx';

/** The page has h1 and h2 itself; headings of a reply come below. */
const HEADINGS = ['h3', 'h4', 'h5', 'h6', 'h6', 'h6'];

function Heading({ token }) {
  const Tag = HEADINGS[token.depth - 1];
  return <Tag><Inline tokens={token.tokens} /></Tag>;
}

function Item({ item }) {
  return (
    <li class={item.task ? 'task' : undefined}>
      {item.task && <input type="checkbox" checked={item.checked} disabled aria-label={t('task')} />}
      {item.tokens.map((token, i) => (
        token.type === 'text' && !item.loose ? <Inline key={i} tokens={[token]} /> : <Block key={i} token={token} />
      ))}
    </li>
  );
}

function List({ token }) {
  const Tag = token.ordered ? 'ol' : 'ul';
  return (
    <Tag start={token.ordered && token.start !== 1 ? token.start : undefined} class={token.loose ? 'loose' : undefined}>
      {token.items.map((item, i) => <Item key={i} item={item} />)}
    </Tag>
  );
}

function Table({ token }) {
  const align = (i) => (token.align[i] ? `align-${token.align[i]}` : undefined);
  return (
    <div class="table-frame" tabIndex={0} role="region" aria-label={t('table')}>
      <table>
        <thead>
          <tr>{token.header.map((cell, i) => (
            <th key={i} scope="col" class={align(i)}><Inline tokens={cell.tokens} /></th>))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row, j) => (
            <tr key={j}>{row.map((cell, i) => <td key={i} class={align(i)}><Inline tokens={cell.tokens} /></td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const KINDS = {
  paragraph: (token) => <p dir="auto" class={token.continues ? 'continued' : undefined}><Inline tokens={token.tokens} /></p>,
  text: (token) => <p dir="auto"><Inline tokens={[token]} /></p>,
  heading: (token) => <Heading token={token} />,
  list: (token) => <List token={token} />,
  blockquote: (token) => <blockquote>{token.tokens.map((inner, i) => <Block key={i} token={inner} />)}</blockquote>,
  code: (token) => <CodeBlock code={token.text} language={token.lang ?? ''} closed={isClosed(token)} />,
  table: (token) => <Table token={token} />,
  math: (token) => <div class="math-frame" tabIndex={0}><Formula source={token.text} display /></div>,
  html: (token) => <p class="literal">{token.raw.trim()}</p>,
  hr: () => <hr />,
  space: () => null,
  def: () => null,
  footnote: () => null, // shown at the end
};

/** A fence that has its end; before that more lines may come. */
const isClosed = (token) => token.codeBlockStyle === 'indented' || /\n {0,3}(```|~~~)[`~]*\s*$/.test(token.raw);

export class Block extends Component {
  shouldComponentUpdate({ token }) {
    return token !== this.props.token;
  }

  render({ token }) {
    return KINDS[token.type] ? KINDS[token.type](token) : token.raw;
  }
}
