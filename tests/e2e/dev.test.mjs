// covers: app/cli, app/reload
// `tidetalk dev`: what is saved is loaded, or it says why not.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { eventually, pause, test, within } from './support/limits.mjs';
import { freePort, start } from './support/process.mjs';
import { copyScripts, writeScript } from './support/scripts.mjs';
import { TIDETALK, makeHome } from './support/server.mjs';

const route = (text) => `return {{method = "GET", path = "/api/personas", auth = "none", summary = "x",
  handler = function() return {json = {text = ${text}}} end}}`;

describe('tidetalk dev', () => {
  let home; let lua; let child; let url; let output = '';

  before(async () => {
    const port = await freePort();
    home = makeHome({ port, env: { TIDETALK_LUA_DIR: 'lua', TIDETALK_PERSONAS: 'style.yaml' } });
    lua = copyScripts(home.folder);
    url = `http://127.0.0.1:${port}`;
    child = start(TIDETALK, ['dev', '--log-level=info'], { env: home.env, cwd: home.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8');
      child[name].on('data', (text) => { output += text; });
    }
    await eventually(() => /^ready on .* lua and style\.yaml are loaded/m.test(output), 'dev is ready');
  });
  after(async () => {
    child.kill('SIGTERM');
    assert.equal(await within(child.exited, 'dev ends'), 0, output);
    home.remove();
  });

  const answer = async () => {
    const response = await fetch(`${url}/api/personas`);
    return { status: response.status, generation: response.headers.get('x-script-generation'), body: await response.json() };
  };
  /** What is printed while `act` happens, once it matches. */
  const says = async (pattern, act) => {
    const from = output.length;
    await act();
    return eventually(() => pattern.exec(output.slice(from)), `${pattern} in ${output.slice(from)}`);
  };

  test('loads a file that is written in place, and says which', async () => {
    const [, generation] = await says(/^reloaded, generation (\d+) in \d+ ms: chat\/persona_routes\.lua$/m,
      () => writeScript(lua, 'chat/persona_routes.lua', route('"one"')));
    const { body, generation: served } = await answer();
    assert.deepEqual(body, { text: 'one' });
    assert.equal(served, generation);
  });

  test('loads a plugin that is dropped in, and shows what it prints', async () => {
    const folder = join(home.folder, 'plugins/chatty');
    await says(/^reloaded.*: plugins\/chatty\/plugin\.lua$/m, () => {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'plugin.lua'), 'print("loaded", 1)\nreturn { api = 1 }\n');
    });
    assert.match(output, /^plugins\/chatty\/plugin.lua:1: loaded\t1$/m);
    await says(/^not reloaded[^]*^ {2}plugins\/chatty\/plugin\.lua:1: .*'hook' is no member/m,
      () => writeFileSync(join(folder, 'plugin.lua'), 'return { api = 1, hook = {} }\n'));
    await says(/^reloaded.*: plugins\/chatty\/plugin\.lua$/m,
      () => writeFileSync(join(folder, '.disabled'), ''));
    rmSync(join(home.folder, 'plugins'), { recursive: true });
  });

  test('loads a file that an editor renames over the old one', async () => {
    await says(/^reloaded.*: chat\/persona_routes\.lua$/m, () => {
      const path = join(lua, 'chat/persona_routes.lua');
      renameSync(path, `${path}~`);
      writeFileSync(join(lua, 'chat/.persona_routes.lua.swp'), 'x');
      writeFileSync(join(lua, 'chat/4913'), '');
      writeFileSync(join(lua, 'chat/.new'), route('"two"'));
      renameSync(join(lua, 'chat/.new'), path);
    });
    assert.deepEqual((await answer()).body, { text: 'two' });
  });

  test('says what is wrong, keeps what runs, and loads what is mended', async () => {
    await says(/^not reloaded, generation \d+ keeps serving[^]*^ {2}lua\/chat\/persona_routes\.lua:2: /m,
      () => writeScript(lua, 'chat/persona_routes.lua', 'local x = 1\nlocal = 2\n'));
    assert.deepEqual((await answer()).body, { text: 'two' });
    await says(/^reloaded/m, () => writeScript(lua, 'chat/persona_routes.lua', route('"mended"')));
    assert.deepEqual((await answer()).body, { text: 'mended' });
  });

  test('sees folders that are new, and files that are removed', async () => {
    await says(/^reloaded.*: extra\/deep\/text\.lua/m, () => {
      mkdirSync(join(lua, 'extra/deep'), { recursive: true });
      writeScript(lua, 'extra/deep/text.lua', 'return "deep"');
    });
    await says(/^reloaded.*: chat\/persona_routes\.lua/m,
      () => writeScript(lua, 'chat/persona_routes.lua', route('require("extra.deep.text")').replace('return {{', 'local deep = require "extra.deep.text"\nreturn {{').replace('require("extra.deep.text")', 'deep')));
    await says(/^reloaded.*: extra\/deep\/text\.lua/m, () => writeScript(lua, 'extra/deep/text.lua', 'return "deeper"'));
    assert.deepEqual((await answer()).body, { text: 'deeper' });
    await says(/^not reloaded[^]*extra\.deep\.text/m, () => rmSync(join(lua, 'extra'), { recursive: true }));
    assert.deepEqual((await answer()).body, { text: 'deeper' });
    await says(/^reloaded/m, () => writeScript(lua, 'chat/persona_routes.lua', route('"back"')));
  });

  test('loads personas, and complains of them by file and line', async () => {
    const path = join(home.folder, 'style.yaml');
    const good = readFileSync(path, 'utf8');
    await says(/^not reloaded[^]*^ {2}style\.yaml:\d+: /m, () => writeFileSync(path, 'personas:\n  - name: x\n'));
    await says(/^reloaded.*: style\.yaml$/m, () => writeFileSync(path, `${good}  - name: New\n    content: new\n`));
  });

  test('shows the traceback of an error in the answer', async () => {
    await says(/^reloaded/m, () => writeScript(lua, 'chat/persona_routes.lua', route('nil + 1')));
    const { status, body } = await answer();
    assert.equal(status, 500);
    assert.match(JSON.stringify(body), /chat\/persona_routes\.lua:2/);
    await says(/^reloaded/m, () => writeScript(lua, 'chat/persona_routes.lua', route('"fine"')));
  });

  test('says once which member of an answer its schema does not declare', async () => {
    const schema = 'response = {fields = {{name = "text", type = "string"}}}, handler = function() return {json = {more = 1, text = "x"}} end';
    await says(/^reloaded/m, () => writeScript(lua, 'chat/persona_routes.lua',
      route('""').replace(/handler = [^]*/, `${schema}}}`)));
    const from = output.length;
    await says(/schema does not declare this member.*\/api\/personas.*\bmore\b/, answer);
    for (let i = 0; i < 8; i += 1) await answer();
    await says(/^reloaded/m, () => writeScript(lua, 'chat/persona_routes.lua', route('"fine"')));
    assert.equal(output.slice(from).split('does not declare').length, 2);
  });

  test('does nothing for other files', async () => {
    const from = output.length;
    writeFileSync(join(home.folder, 'other.yaml'), 'x');
    writeFileSync(join(lua, 'notes.txt'), 'x');
    await pause(400);
    assert.doesNotMatch(output.slice(from), /reloaded|scripts (unchanged|replaced|refused)/, 'nor is anything looked at');
    // The same log line when it is asked for, so it would have been seen.
    await says(/scripts unchanged/, () => child.kill('SIGHUP'));
  });
});
