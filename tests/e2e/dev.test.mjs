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

/** A running `tidetalk dev`, with what it prints. */
const startDev = async (env, prepare = () => {}) => {
  const port = await freePort();
  const home = makeHome({ port, env: { TIDETALK_LUA_DIR: 'lua', TIDETALK_PERSONAS: 'style.yaml', ...env } });
  const lua = copyScripts(home.folder);
  prepare(lua);
  const child = start(TIDETALK, ['dev'], { env: home.env, cwd: home.folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const dev = { home, lua, child, url: `http://127.0.0.1:${port}`, output: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text) => { dev.output += text; });
  }
  /** What is printed while `act` happens, once it matches. */
  dev.says = async (pattern, act) => {
    const from = dev.output.length;
    await act();
    return eventually(() => pattern.exec(dev.output.slice(from)), `${pattern} in ${dev.output.slice(from)}`);
  };
  dev.end = async () => {
    child.kill('SIGTERM');
    assert.equal(await within(child.exited, 'dev ends'), 0, dev.output);
    home.remove();
  };
  await eventually(() => /^ready on .* lua, plugins and style\.yaml are loaded/m.test(dev.output), 'dev is ready');
  return dev;
};

describe('tidetalk dev, as it comes', () => {
  let dev;
  before(async () => {
    dev = await startDev({}, (lua) => writeScript(lua, 'hooks/lost.lua', 'return { before_llm = function() end }'));
  });
  after(() => dev.end());
  const count = (pattern, text) => [...text.matchAll(pattern)].length;

  test('shows what check warns of, at the start and with each reload', async () => {
    const warning = /^ {2}lua\/hooks\/lost\.lua:1: warning: .*not named in hooks\.lua.* \(unused_file\)$/m;
    await eventually(() => warning.test(dev.output), 'the warning');
    await dev.says(warning, () => writeScript(dev.lua, 'chat/persona_routes.lua', route('"one"')));
    await dev.says(/^reloaded[^]*$/m, () => rmSync(join(dev.lua, 'hooks/lost.lua')));
    const from = dev.output.length;
    await dev.says(/^reloaded/m, () => writeScript(dev.lua, 'chat/persona_routes.lua', route('"two"')));
    assert.doesNotMatch(dev.output.slice(from), /warning:/);
  });

  test('says that all is well again when a mistake is taken back', async () => {
    const good = readFileSync(join(dev.lua, 'policy/title.lua'), 'utf8');
    const from = dev.output.length;
    await dev.says(/^not reloaded/m, () => writeScript(dev.lua, 'policy/title.lua', 'local = 1'));
    await dev.says(/^ok again, generation \d+ serves these files$/m, () => writeScript(dev.lua, 'policy/title.lua', good));
    assert.equal(count(/title\.lua:1:/g, dev.output.slice(from)), 1, 'told once');
  });

  test('shows what scripts log and an error with its traceback on lines, each once', async () => {
    await dev.says(/^reloaded/m, () => writeScript(dev.lua, 'chat/persona_routes.lua',
      `local log = require "tide.log"\nlocal function deep(x)\n  return x.y.z\nend\n${route('deep({})').replace('handler = function()',
        'handler = function() log.info("hello from a script") print("printed")')}`));
    const from = dev.output.length;
    await dev.says(/ INFO "?hello from a script/, () => fetch(`${dev.url}/api/personas`).then((r) => r.text()));
    await eventually(() => /stack traceback:\n {8}.*persona_routes/.test(dev.output.slice(from)), 'a traceback');
    const text = dev.output.slice(from);
    assert.match(text, / ERROR script error .*route=\/api\/personas.*\n {4}chat\/persona_routes\.lua:3: attempt to index a nil value/);
    assert.equal(count(/attempt to index/g, text), 1, text);
    assert.equal(count(/printed/g, text), 1, text);
    assert.doesNotMatch(text, /INFO "?request\b/);
  });
});

describe('tidetalk dev', () => {
  let dev; let home; let lua; let child; let url; let says;

  before(async () => {
    dev = await startDev({ TIDETALK_LOG_LEVEL: 'info' });
    ({ home, lua, child, url, says } = dev);
  });
  after(() => dev.end());

  const answer = async () => {
    const response = await fetch(`${url}/api/personas`);
    return { status: response.status, generation: response.headers.get('x-script-generation'), body: await response.json() };
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
    assert.match(dev.output, /^plugins\/chatty\/plugin.lua:1: loaded\t1$/m);
    await says(/^reloaded.*: plugins\/chatty\/static\/css\/page\.css$/m, () => {
      mkdirSync(join(folder, 'static/css'), { recursive: true });
      writeFileSync(join(folder, 'static/css/page.css'), 'p {}');
    });
    await says(/^reloaded.*: plugins\/chatty\/static\/css\/page\.css$/m,
      () => writeFileSync(join(folder, 'static/css/page.css'), 'h1 {}'));
    await says(/^reloaded.*: plugins\/chatty\/static\/css\/page\.css$/m,
      () => rmSync(join(folder, 'static'), { recursive: true }));
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
    const from = dev.output.length;
    await says(/schema does not declare this member.*\/api\/personas.*\bmore\b/, answer);
    for (let i = 0; i < 8; i += 1) await answer();
    await says(/^reloaded/m, () => writeScript(lua, 'chat/persona_routes.lua', route('"fine"')));
    assert.equal(dev.output.slice(from).split('does not declare').length, 2);
  });

  test('does nothing for other files', async () => {
    const from = dev.output.length;
    writeFileSync(join(home.folder, 'other.yaml'), 'x');
    writeFileSync(join(lua, 'notes.txt'), 'x');
    await pause(400);
    assert.doesNotMatch(dev.output.slice(from), /reloaded|scripts (unchanged|replaced|refused)/, 'nor is anything looked at');
    // The same log line when it is asked for, so it would have been seen.
    await says(/scripts unchanged/, () => child.kill('SIGHUP'));
  });
});
