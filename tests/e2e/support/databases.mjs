// The database of a test's server. TEST_DATABASE is the scheme of another engine for all servers:
// `sqlite-late` answers every read late, by delays that TT_LATE_SEED repeats (core/db/sqlite_late.c);
// `postgres` gives each a database of its own on TEST_POSTGRES (tests/postgres/run.sh).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const SCHEME = process.env.TEST_DATABASE;
let count = 0;

/** Runs SQL as the owner of the databases; returns what psql prints, without headings. */
export function psql(database, sql) {
  const { status, stdout, stderr } = spawnSync(
    'psql',
    ['-qAtX', '-v', 'ON_ERROR_STOP=1', `${process.env.TEST_POSTGRES}/${database}`, '-c', sql],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  return stdout.trimEnd();
}

/** Everything that the database of a home holds, as text. */
export function databaseBytes(home) {
  if (home.database.name) {
    const { status, stdout, stderr } = spawnSync('pg_dump', [home.database.url], { encoding: 'latin1', maxBuffer: 256 << 20 });
    assert.equal(status, 0, stderr);
    return stdout;
  }
  const held = readdirSync(home.dataDir).filter((name) => name.startsWith('tidetalk.db'));
  assert.ok(held.length > 0);
  return held.map((name) => readFileSync(join(home.dataDir, name), 'latin1')).join();
}

/** {url, remove} of a new database; `url` is nothing for the one that a data folder has anyway. */
export function makeDatabase(dataDir) {
  if (!SCHEME) return { remove() {} };
  if (SCHEME !== 'postgres') return { url: `${SCHEME}:${join(dataDir, 'tidetalk.db')}`, remove() {} };
  count += 1;
  const name = `tidetalk_${process.pid}_${count}`;
  psql('postgres', `CREATE DATABASE ${name}`);
  return {
    name,
    url: `${process.env.TEST_POSTGRES}/${name}`,
    remove() { psql('postgres', `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`); },
  };
}
