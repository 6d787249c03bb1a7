// Markdown that comes in pieces is the same as Markdown that comes at once.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from '../e2e/support/limits.mjs';
import { MarkdownDocument } from '../../web/src/markdown/document.js';
import { decodeEntities } from '../../web/src/markdown/entities.js';
import { numberFootnotes } from '../../web/src/markdown/footnotes.js';
import { lex } from '../../web/src/markdown/lexer.js';
import { safeAddress } from '../../web/src/markdown/links.js';
import { randomNumbers } from './support/disturbances.mjs';
import { SAMPLES } from './support/sample_conversations.mjs';

const TEXTS = [
  ...Object.values(SAMPLES).flatMap(({ turns }) => turns.map((turn) => turn.text)),
  Array.from({ length: 130 }, (_, i) => `${i + 1}. item *${i}*`).join('\n'),
  '# A\n\n> quote\n> more\n\n- a\n- b\n  - c\n\n  d\n\n***\n\n```js\nlet a\n\n\nlet b\n```\n\nafter\r\nwindows\r\n\r\nlines',
  'a\n=\n\n| a | b |\n|---|:-:|\n| 1 | 2 |\n\n<div>\n\nhtml\n</div>\n\n\\[ x^2 \\]\n\n$$\ny\n$$\n',
];

const shape = (blocks) => blocks.map(({ type, raw }) => [type, raw]);

function whole(text) {
  return new MarkdownDocument().update(text, true);
}

const inline = (text) => lex(text, {})[0].tokens.map(({ type, text: content, label }) => [type, content ?? label]);

describe('markdown', () => {
  test('any cutting gives the same blocks', () => {
    const random = randomNumbers(7);
    for (const text of TEXTS) {
      for (let round = 0; round < 20; round += 1) {
        const document = new MarkdownDocument();
        for (let at = 0; at < text.length; at += 1 + Math.floor(random() * 40)) document.update(text.slice(0, at), false);
        document.update(text, false);
        assert.deepEqual(shape(document.blocks.flatMap((block) => block)), shape(new MarkdownDocument().update(text, false)));
        document.update(text, true);
        assert.deepEqual(shape(document.blocks), shape(whole(text)));
      }
    }
  });

  test('blocks that are settled keep their identity', () => {
    const document = new MarkdownDocument();
    document.update('one\n\ntwo\n\nthree\n\nfour', false);
    const before = [...document.blocks];
    document.update('one\n\ntwo\n\nthree\n\nfour and more\n\nfive', false);
    assert.deepEqual(document.blocks.map((block) => before.includes(block)), [true, true, true, false, false]);
  });

  test('a text that is replaced begins anew', () => {
    const document = new MarkdownDocument();
    document.update('one\n\ntwo\n\nthree', false);
    assert.deepEqual(shape(document.update('other', false)), [['paragraph', 'other']]);
  });

  test('a definition that comes late still makes a link', () => {
    const document = new MarkdownDocument();
    const text = 'see [tides]\n\none\n\ntwo\n\nthree\n\n[tides]: https://tides.example/';
    for (let at = 1; at <= text.length; at += 3) document.update(text.slice(0, at), false);
    assert.equal(document.update(text, true)[0].tokens[1].type, 'link');
  });

  test('math, and what only looks like it', () => {
    assert.deepEqual(inline('a $x^2$ b'), [['text', 'a '], ['math', 'x^2'], ['text', ' b']]);
    assert.deepEqual(inline('\\(x\\) and $$y$$'), [['math', 'x'], ['text', ' and '], ['math', 'y']]);
    assert.deepEqual(inline('it costs $5 or $6'), [['text', 'it costs $5 or $6']]);
    assert.deepEqual(inline('`$x$`'), [['codespan', '$x$']]);
  });

  test('emphasis beside Chinese punctuation', () => {
    assert.deepEqual(inline('称为**“大潮”。**农历'), [['text', '称为'], ['strong', '“大潮”。'], ['text', '农历']]);
    assert.deepEqual(inline('a ** b ** c'), [['text', 'a ** b ** c']]);
  });

  test('an address ends where Chinese text begins', () => {
    const [, link, rest] = lex('见https://tides.example/a。后面', {})[0].tokens;
    assert.equal(link.href, 'https://tides.example/a');
    assert.equal(rest.text, '。后面');
  });

  test('footnotes are numbered as they are referred to', () => {
    const notes = numberFootnotes(lex('a[^b] c[^a] d[^none]\n\n[^a]: first\n[^b]: second\n  more\n[^unused]: x', {}));
    assert.deepEqual(notes.map(({ label, number }) => [label, number]), [['b', 1], ['a', 2]]);
  });

  test('entities and addresses', () => {
    assert.equal(decodeEntities('&lt;b&gt; &amp;amp; &#x4e2d;&#25991; &nosuch; &#0;'), '<b> &amp; 中文 &nosuch; \ufffd');
    assert.equal(safeAddress('javascript:alert(1)'), null);
    assert.equal(safeAddress('/api/logout'), null);
    assert.equal(safeAddress('https://a.example/ä'), 'https://a.example/%C3%A4');
  });
});
