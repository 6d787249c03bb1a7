// covers: node
// The checker of histories (history/check.mjs) finds each anomaly in a history that was made by hand, and
// none in one that is right.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from '../e2e/support/limits.mjs';
import { check } from './history/check.mjs';

/** Rows of a session: [text, status = 'complete', content = text]... */
const rows = (...turns) => turns.flatMap(([text, status = 'complete', content = text], i) => [
  { id: 2 * i + 1, role: 'user', parent_id: i ? 2 * i : null, content: text, siblings: [2 * i + 1] },
  { id: 2 * i + 2, role: 'assistant', parent_id: 2 * i + 1, content, status, siblings: [2 * i + 2] },
]);

let now = 0;
const append = (text, more = {}) => {
  now += 2;
  return { client: 'a', session: 's', kind: 'append', text, invoked: now - 1, completed: now, outcome: 'ok', ...more };
};
const read = (list, more = {}) => {
  now += 2;
  return { client: 'a', session: 's', kind: 'read', rows: list, invoked: now - 1, completed: now, ...more };
};
const kinds = (...operations) => [...new Set(check(operations).map(({ kind }) => kind))];

describe('the checker of histories', () => {
  test('finds nothing where everything is right', () => {
    assert.deepEqual(kinds(append('one', { questionId: 1, replyId: 2 }), read(rows(['one'])), append('two'), append('three', { outcome: 'refused' }),
      append('four', { outcome: 'unknown' }), append('five', { outcome: 'begun' }), read(rows(['one'], ['two'], ['five', 'streaming', 'fi'])),
      read(rows(['one'], ['two'], ['five', 'interrupted', 'f']), { client: 'b', last: true })), []);
    // What was given up may be stored later.
    assert.deepEqual(kinds(append('one', { outcome: 'unknown' }), append('two'), read(rows(['two'], ['one']))), []);
    // What is not completed may be stored, and what is sent at the same time stands in either order.
    const [one, two] = [append('one', { completed: now + 9 }), append('two', { completed: undefined, outcome: undefined })];
    assert.deepEqual(kinds(one, two, read(rows(['two'], ['one']), { invoked: now + 20, completed: now + 21 })), []);
  });

  test('lost', () => {
    assert.deepEqual(kinds(append('one'), append('two'), read(rows(['one']), { last: true })), ['lost']);
    assert.deepEqual(kinds(append('one', { outcome: 'begun' }), read([], { last: true })), ['lost']);
    assert.deepEqual(kinds(append('one'), read(rows(['one', 'interrupted', 'o']))), ['lost']);
  });

  test('doubled', () => {
    assert.deepEqual(kinds(append('one'), read(rows(['one'], ['one']))), ['doubled']);
    assert.deepEqual(kinds(append('one', { questionId: 7 }), read(rows(['one']))), ['doubled']);
    assert.deepEqual(kinds(append('one', { replyId: 7 }), read(rows(['one']))), ['doubled']);
  });

  test('answered twice, forked, unpaired', () => {
    const twice = rows(['one']);
    twice[1].siblings = [2, 3];
    assert.deepEqual(kinds(append('one'), read(twice)), ['answered twice']);
    const forked = rows(['one'], ['two']);
    forked[2].siblings = [3, 5];
    assert.deepEqual(kinds(append('one'), append('two'), read(forked)), ['forked']);
    forked[2] = { ...forked[2], siblings: [3], parent_id: null };
    assert.deepEqual(kinds(append('one'), append('two'), read(forked)), ['forked']);
    assert.deepEqual(kinds(append('one'), append('two'), read(rows(['one'], ['two']).slice(0, 3))), ['unpaired']);
  });

  test('reordered', () => {
    assert.deepEqual(kinds(append('one'), append('two'), read(rows(['two'], ['one']))), ['reordered']);
    const [one, two] = [append('one', { completed: now + 9 }), append('two', { completed: now + 9 })];
    const after = { invoked: now + 20, completed: now + 21 };
    assert.deepEqual(kinds(one, two, read(rows(['two'], ['one']), after), read(rows(['one'], ['two']), { ...after, client: 'b' })), ['reordered']);
    const ids = rows(['one']);
    [ids[0].id, ids[0].siblings, ids[1].parent_id] = [9, [9], 9];
    assert.deepEqual(kinds(append('one'), read(ids)), ['reordered']);
  });

  test('a read that does not have what it must', () => {
    const [one, two] = [append('one'), append('two')];
    const whole = () => read(rows(['one'], ['two']), { client: 'c' });
    assert.deepEqual(kinds(one, two, read(rows(['one'])), whole()), ['own write unseen']);
    assert.deepEqual(kinds(one, two, read(rows(['one']), { client: 'b' }), whole()), ['stale']);
    two.outcome = 'unknown';
    assert.deepEqual(kinds(one, two, whole(), read(rows(['one']))), ['went back']);
  });

  test('stored though refused, never sent, or not yet sent', () => {
    assert.deepEqual(kinds(append('one', { outcome: 'refused' }), read(rows(['one']))), ['refused']);
    assert.deepEqual(kinds(append('one'), read(rows(['one'], ['other']))), ['never sent']);
    assert.deepEqual(kinds(read(rows(['one'])), append('one')), ['never sent']);
  });

  test('another text, or one that changes after its end', () => {
    assert.deepEqual(kinds(append('one'), read(rows(['one', 'complete', 'on']))), ['wrong text']);
    assert.deepEqual(kinds(append('one', { outcome: 'begun' }), read(rows(['one', 'interrupted', 'x']))), ['wrong text']);
    assert.deepEqual(kinds(append('one', { outcome: 'begun' }), read(rows(['one', 'interrupted', 'o'])), read(rows(['one', 'interrupted', 'on']))), ['changed']);
    assert.deepEqual(kinds(append('one', { outcome: 'begun' }), read(rows(['one', 'streaming', 'o']), { last: true })), ['unfinished']);
  });
});
