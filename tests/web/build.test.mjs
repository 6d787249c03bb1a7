// web/dist is what web/src makes, and nothing is missing in any language.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import { pathToFileURL } from 'node:url';
import { test } from '../e2e/support/limits.mjs';
import { ROOT } from '../e2e/support/process.mjs';

const WEB = join(ROOT, 'web');

function filesBelow(folder, prefix = '') {
  return readdirSync(join(folder, prefix), { withFileTypes: true }).flatMap((entry) => {
    const path = join(prefix, entry.name);
    return entry.isDirectory() ? filesBelow(folder, path) : [path];
  }).sort();
}

const source = (extensions) => filesBelow(join(WEB, 'src')).filter((path) => extensions.test(path))
  .map((path) => readFileSync(join(WEB, 'src', path), 'utf8')).join('\n');

async function languages() {
  const folder = join(WEB, 'src/i18n/languages');
  return Promise.all(readdirSync(folder).map(async (file) => (
    [file, (await import(pathToFileURL(join(folder, file)))).default])));
}

describe('the build', () => {
  test('web/dist is what web/src makes, byte for byte, within the limits', () => {
    const out = mkdtempSync(join(tmpdir(), 'tidetalk-dist-'));
    try {
      console.log(execFileSync(process.execPath, [join(WEB, 'build.mjs'), '--out', out], { encoding: 'utf8' }));
      const committed = join(WEB, 'dist');
      assert.deepEqual(filesBelow(committed), filesBelow(out));
      for (const file of filesBelow(out)) {
        assert.ok(readFileSync(join(out, file)).equals(readFileSync(join(committed, file))), `${file} differs: build the page again`);
      }
    } finally {
      rmSync(out, { recursive: true });
    }
  });

  test('every language has every text', async () => {
    const [[firstFile, first], ...others] = await languages();
    for (const [file, texts] of others) {
      assert.deepEqual(Object.keys(texts).sort(), Object.keys(first).sort(), `${file} and ${firstFile}`);
    }
  });

  test('every text is used, and every text that is used is there', async () => {
    const [[, texts]] = await languages();
    const code = source(/\.jsx?$/);
    const named = [...code.matchAll(/\bt\(\s*'(\w+)'/g)].map((match) => match[1]);
    for (const key of named) assert.ok(key in texts, `there is no text "${key}"`);
    const made = /^(settings|theme|contrast|try)_/; // their names are put together
    const unused = Object.keys(texts).filter((key) => !made.test(key) && !code.includes(`'${key}'`) && key !== 'language_name');
    assert.deepEqual(unused, []);
  });

  test('nothing is made of HTML, and no style stands in markup', () => {
    assert.doesNotMatch(source(/\.jsx?$/), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function/);
    assert.doesNotMatch(source(/\.jsx$/), /\bstyle="/);
    assert.doesNotMatch(source(/\.css$/), /url\(|https?:/);
  });

  test('the page asks for nothing outside of its own folder', () => {
    const html = readFileSync(join(WEB, 'dist/index.html'), 'utf8');
    const missing = readFileSync(join(WEB, 'dist/404.html'), 'utf8');
    for (const [, address] of missing.matchAll(/(?:src|href)="([^"]*)"/g)) assert.match(address, /^\{base\}(assets\/|$)/);
    for (const [, address] of html.matchAll(/(?:src|href)="([^"]*)"/g)) assert.match(address, /^assets\/[\w-]+-[0-9A-Z]{8}\.\w+$/);
  });
});
