// What the table of the budget accepts and what it refuses. Run by budget.sh before it measures.
import assert from 'node:assert/strict';
import test from 'node:test';
import { MEAN_TURN, compare, readTable, writeTable } from './budget_table.mjs';

const VERSIONS = 'curl 1; sqlite 2';
const ROWS = [
  { name: 'chat-8', worker: 550000, writer: 310000, calls: 57.5 },
  { name: MEAN_TURN, worker: 576000, writer: 334000, calls: 73.4 },
  { name: 'chat token', worker: 2000, writer: 1800, calls: 0.2 },
  { name: 'me', worker: 100000, writer: 0, calls: 7 },
  { name: 'v1 KiB', worker: 16500, writer: 0, calls: 0.4 },
];
const table = () => readTable(writeTable(VERSIONS, ROWS));

/** Whether rows pass that are the table's except for `change` in the row of that name. */
function passes(name, change, versions = VERSIONS) {
  const rows = ROWS.map((row) => (row.name === name ? { ...row, ...change } : row));
  return compare(table(), versions, rows);
}

test('the table is read as it was written', () => {
  assert.deepEqual(table(), { versions: VERSIONS, rows: ROWS });
  assert.ok(compare(table(), VERSIONS, ROWS));
});

test('5 % more instructions of the worker pass, and more than that fails', () => {
  for (const [name, worker] of [['me', 100000], [MEAN_TURN, 576000]]) {
    assert.ok(passes(name, { worker: worker * 1.05 }));
    assert.ok(!passes(name, { worker: worker * 1.051 }));
  }
});

test('single turns and their tokens are held by their mean, and loosely by themselves', () => {
  assert.ok(passes('chat-8', { worker: 660000 }));
  assert.ok(!passes('chat-8', { worker: 661000 }));
  assert.ok(passes('chat token', { worker: 3500 }));
  assert.ok(!passes('chat token', { worker: 3501 }));
});

test('a difference of two lines is held too: its share, and the same slack as every line', () => {
  assert.ok(passes('v1 KiB', { worker: 17300 }));
  assert.ok(!passes('v1 KiB', { worker: 17400 }));
});

test('the writer is held by the mean turn alone', () => {
  assert.ok(passes('chat-8', { writer: 400000 }));
  assert.ok(passes(MEAN_TURN, { writer: 350000 }));
  assert.ok(!passes(MEAN_TURN, { writer: 351000 }));
});

test('15 % more system calls pass, or one', () => {
  assert.ok(passes('chat-8', { calls: 66 }));
  assert.ok(!passes('chat-8', { calls: 66.3 }));
  assert.ok(passes('v1 KiB', { calls: 1.4 }));
  assert.ok(!passes('v1 KiB', { calls: 1.5 }));
});

test('a line that the table does not have fails', () => {
  assert.ok(!compare(table(), VERSIONS, [...ROWS, { name: 'new', worker: 1, writer: 1, calls: 1 }]));
});

test('with other versions it only warns', () => {
  assert.ok(passes('me', { worker: 900000 }, 'curl 2; sqlite 2'));
});
