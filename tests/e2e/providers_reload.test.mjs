// covers: examples/custom_provider, providers, app/reload
// examples/custom_provider: a provider is one file, and it comes while streams run.
import assert from 'node:assert/strict';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { admin } from './support/admin.mjs';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { ROOT, makeFolder, removeFolder } from './support/process.mjs';
import { copyScripts } from './support/scripts.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';

const FILE = join(ROOT, 'examples/custom_provider/lua/providers/harbor.lua');

/** The service that the example is for; it says back the last message, word by word. */
function startHarbor(seen) {
  const harbor = createServer(async (request, response) => {
    let text = '';
    for await (const piece of request) text += piece;
    const body = JSON.parse(text);
    seen.push({ url: request.url, headers: request.headers, body });
    const event = (name, data) => response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    event('part', { parts: [{ kind: 'thought', say: 'hm' }, { kind: 'mood', say: 'no' }] });
    for (const word of body.said.at(-1).what.split(' ')) {
      event('part', { parts: [{ kind: 'word', say: `${word} ` }] });
    }
    if (body.ship === 'crowded') event('trouble', { kind: 'crowded' });
    event('bill', { words: { in: 3, out: 5 }, why: 'done' });
    event('over', { at: '2026-01-01' });
    response.end();
  });
  return new Promise((done) => { harbor.listen(0, '127.0.0.1', () => done(harbor)); });
}

describe('a provider that comes with a reload', () => {
  const folder = makeFolder();
  const lua = copyScripts(folder);
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_LUA_DIR: lua }, mock: true });
  const seen = [];
  let harbor;
  before(async () => { harbor = await startHarbor(seen); });
  after(() => {
    harbor.close();
    removeFolder(folder);
  });

  const reload = () => admin(context.server, 'POST', '/admin/reload');
  const harborUrl = () => `http://127.0.0.1:${harbor.address().port}`;

  test('streams run on, and then it is there', async () => {
    const user = await context.server.user();
    const slow = await user.model(context.mock.url('tokens=60,pace=25'));
    const gone = uniqueName('session');
    const running = Array.from({ length: 8 }, () => user.stream(slow, uniqueName('session'), 'hi'));
    const left = await user.open(slow, gone, 'hi');
    await left.until((stream) => stream.frames.length > 2);

    const add = () => user.post('/api/user/apis', {
      api_name: uniqueName('api'), api_key: 'harbor-key-0123456789', model_name: 'tug', base_url: harborUrl(), provider: 'harbor',
    });
    assertError(await add(), 400, 'invalid_field');
    copyFileSync(FILE, join(lua, 'providers/harbor.lua'));
    const answer = await reload();
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.body.changed, ['providers/harbor.lua']);

    assert.equal((await add()).status, 200);
    const stream = await user.stream('tug', uniqueName('session'), 'ships in the night');
    assert.equal(stream.text, 'ships in the night ');
    assert.equal(stream.reasoning, 'hm');
    assert.equal(stream.last.finish_reason, 'stop');
    assert.deepEqual(stream.last.usage, { input_tokens: 3, output_tokens: 5 });
    assert.equal(seen.at(-1).url, '/talk');
    assert.equal(seen.at(-1).headers['x-harbor-key'], 'harbor-key-0123456789');
    assert.equal(seen.at(-1).body.ship, 'tug');
    assert.equal(seen.at(-1).body.said[0].who, 'system');

    // Whatever ran has all of its text, and can still be come back to.
    await left.end();
    for (const one of await Promise.all(running)) {
      assert.equal(one.frames.length > 10, true);
      assert.equal(one.text, left.text);
      assert.match(one.text, /^tok0 tok1 .*tok59 $/);
      assert.equal(one.last.finish_reason, 'stop');
    }
    const again = await user.resume(gone, `${left.messageId}.0`);
    await again.end();
    assert.equal(again.text, left.text);
  });

  test('its errors are ours', async () => {
    const user = await context.server.user();
    await user.model(harborUrl(), { model_name: 'crowded', provider: 'harbor' });
    const stream = await user.stream('crowded', uniqueName('session'), 'in here');
    assert.equal(stream.text, 'in here ');
    assert.equal(stream.last.code, 'upstream_overloaded');
  });

  test('a file with a mistake is refused, and the old one stays', async () => {
    const user = await context.server.user();
    const model = await user.model(harborUrl(), { provider: 'harbor' });
    writeFileSync(join(lua, 'providers/broken.lua'),
      'return { name = "broken", framing = "sse", stream = { content = "a[b" }, whole = {} }\n');
    const answer = await reload();
    assert.equal(answer.status, 422);
    assert.match(JSON.stringify(answer.body.errors), /provider 'broken': stream\.content: path .*a filter has no end/);
    assert.equal((await user.stream(model, uniqueName('session'), 'still here')).text, 'still here ');
    rmSync(join(lua, 'providers/broken.lua'));
  });

  test('one that is taken away again is missed with a clear error', async () => {
    const user = await context.server.user();
    const model = await user.model(harborUrl(), { provider: 'harbor' });
    rmSync(join(lua, 'providers/harbor.lua'));
    assert.equal((await reload()).status, 200);
    const answer = await user.post('/api/chat/message', {
      session_id: uniqueName('session'), model_name: model, message: 'hi',
    });
    assertError(answer, 422, 'unknown_provider');
  });
});
