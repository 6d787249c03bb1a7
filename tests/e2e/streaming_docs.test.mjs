// covers: docs/streaming.md, chat
// The examples of docs/streaming.md, run as they are printed, over connections that break.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { pathToFileURL } from 'node:url';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, test, within } from './support/limits.mjs';
import { ROOT, run } from './support/process.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

const PAGE = readFileSync(join(ROOT, 'docs/streaming.md'), 'utf8');
const TEXT = '潮起潮落,🌊 the tide comes in and goes out, twice a day. 月亮🌕'.repeat(3);

const blockOf = (language) => {
  const [, block] = new RegExp(`\`\`\`${language}\n(.*?)\n\`\`\``, 's').exec(PAGE);
  return block;
};

/** A way to the server on which every answer breaks after so many bytes. */
async function breakingRelay(port, bytes) {
  let broken = 0;
  const relay = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    let passed = 0;
    client.on('error', () => {}).on('close', () => upstream.destroy());
    upstream.on('error', () => {}).on('close', () => client.destroy());
    client.pipe(upstream);
    upstream.on('data', (piece) => {
      client.write(piece.subarray(0, bytes - passed));
      passed += piece.length;
      if (passed < bytes) return;
      broken += 1;
      client.end();
      upstream.destroy();
    });
  });
  await new Promise((done) => { relay.listen(0, '127.0.0.1', done); });
  return { url: `http://127.0.0.1:${relay.address().port}`, broken: () => broken, close: () => relay.close() };
}

describe('docs/streaming.md', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  let folder;
  let user;
  let model;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidetalk-docs-'));
    user = await context.server.user();
    const scenario = `text=${encodeURIComponent(TEXT)},size=3,interleave=10,pace=20`;
    model = await user.model(context.mock.url(scenario));
  }, { timeout: HANG_MS });
  after(() => rmSync(folder, { recursive: true }));

  test('with curl: both halves are the whole', async () => {
    const { code, stdout, stderr } = await run('bash', ['-euc', blockOf('sh')], {
      cwd: folder, env: { ...process.env, BASE: context.server.url, TOKEN: user.token, MODEL: model },
    });
    assert.equal(code, 0, stderr);
    const frames = [...stdout.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1]));
    assert.equal(frames.map((frame) => frame.content ?? '').join(''), TEXT);
    assert.equal(frames.at(-1).finish_reason, 'stop');
    assert.equal(frames.filter((frame) => frame.done).length, 1);
    assert.ok(readFileSync(join(folder, 'rest.txt'), 'utf8').includes('"done":false'), 'it went on');
  });

  test('with JavaScript: a reply is read to its end over connections that break', async () => {
    const path = join(folder, 'follow.mjs');
    writeFileSync(path, blockOf('js'));
    const { follow, read } = await import(pathToFileURL(path));
    const relay = await breakingRelay(context.server.port, 900);
    const session = uniqueName('followed');
    const response = await fetch(`${relay.url}/api/chat/message/stream`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${user.token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ session_id: session, model_name: model, message: 'hi' }),
    });
    const shown = [];
    const text = await within(read(follow(relay.url, user.token, session, response), (all) => shown.push(all)),
      'the reply is read');
    relay.close();
    assert.equal(text, TEXT);
    assert.ok(relay.broken() > 3, `${relay.broken()} connections broke`);
    assert.ok(shown.every((all, i) => i === 0 || all.startsWith(shown[i - 1])), 'it only grew');
    await assert.rejects(read(follow(context.server.url, user.token, 'none'), () => {}), /session_not_found/);
  });
});
