// The committed table of the budget: reading, writing, comparing and printing it.

export const MEAN_TURN = 'mean turn';

/** The line of what the server does when nobody asks for anything: timers, looks for work. */
export const IDLE_SECOND = 'idle second';

/** The line of all of them: the search index is written for several turns at once, its parts are merged
 * once in hundreds, and a cycle of the collector is due once in dozens, so that their cost falls on one
 * operation or on the next. */
export const TURNS = ['chat-8', 'chat-64', 'stream-1', 'stream-8', 'stream-64'];

// How much more than the table says is accepted: a share of it, or the slack when that is more.
const LIMITS = {
  worker: { share: 0.05, slack: 600 },
  writer: { share: 0.05, slack: 15000, only: MEAN_TURN },
  calls: { share: 0.15, slack: 1 },
};
const COLUMNS = Object.keys(LIMITS);

// What a cycle of the collector or one look more moves: the single turns, which their mean holds more
// tightly, what is computed of them, and an idle second.
const LOOSE = { share: 0.2, slack: 1500 };
const LOOSELY_HELD = [...TURNS, 'chat token', 'stream token', IDLE_SECOND];

function limitOf(column, name) {
  return { ...LIMITS[column], ...(column === 'worker' && LOOSELY_HELD.includes(name) ? LOOSE : {}) };
}

export function writeTable(versions, rows) {
  const lines = rows.map((row) => [row.name, ...COLUMNS.map((column) => row[column])].join('\t'));
  return [`# ${versions}`, `# ${['operation', ...COLUMNS].join('\t')}`, ...lines, ''].join('\n');
}

export function readTable(text) {
  const lines = text.split('\n').filter(Boolean);
  const rows = lines.filter((line) => !line.startsWith('#')).map((line) => {
    const [name, ...values] = line.split('\t');
    return { name, ...Object.fromEntries(COLUMNS.map((column, i) => [column, Number(values[i])])) };
  });
  return { versions: lines[0].slice(2), rows };
}

/** Which columns of a row are over their limit. */
function exceeded(row, was) {
  return COLUMNS.filter((column) => {
    const { share, slack, only = row.name } = limitOf(column, row.name);
    return only === row.name && row[column] > was[column] + Math.max(was[column] * share, slack);
  });
}

/** Prints the rows beside the table's. False when one is over its limit and the versions are the table's. */
export function compare(table, versions, rows) {
  const same = table.versions === versions;
  let over = 0;
  console.log(`${'operation'.padEnd(14)}${COLUMNS.map((column) => `${column} (table)`.padStart(22)).join('')}`);
  for (const row of rows) {
    const was = table.rows.find((one) => one.name === row.name);
    const wrong = was ? exceeded(row, was) : ['not in the table'];
    over += wrong.length > 0 ? 1 : 0;
    const cells = COLUMNS.map((column) => `${row[column]} (${was?.[column] ?? '-'})`.padStart(22));
    console.log(`${row.name.padEnd(14)}${cells.join('')}${wrong.length ? `  OVER: ${wrong.join(', ')}` : ''}`);
  }
  if (over && !same) {
    console.log('warning: the table is of other versions, so this is no failure:');
    console.log(`  table: ${table.versions}\n  here:  ${versions}`);
  }
  const failed = same ? over : 0;
  console.log(`${rows.length - failed} passed, ${failed} failed`);
  return failed === 0;
}
