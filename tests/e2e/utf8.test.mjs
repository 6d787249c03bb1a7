// covers: base, upstream, chat, http
// Text arrives byte by byte, in escapes and half characters; it is told and stored unchanged.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { makeFolder, removeFolder } from './support/process.mjs';
import { copyScripts, nameRoute } from './support/scripts.mjs';
import { LOOPBACK, startServer } from './support/server.mjs';
import { withServer } from './support/suite.mjs';
import { TYPE, field, form } from './support/upload.mjs';

// One, two, three and four bytes; joined emoji; combining marks; CJK beyond the BMP.
const TEXT = '潮聊🌊：𠮷野家でぇ，né é \u00a0\ufeff👩‍👩‍👧‍👦🇨🇳 "引号" \\ \n\t\u2028 𝕋𝕚𝕕𝕖 龘𪚥 \u{10ffff}.';

const NOTE = `return { {
  method = "POST", path = "/api/test/note", auth = "none", summary = "Repeats a field", upload = true,
  response = { type = "object", fields = { { name = "note", type = "string" } } },
  handler = function(req) return { json = { note = req.fields.note } } end,
} }`;

describe('characters', () => {
  const context = withServer({ env: LOOPBACK, mock: true });

  const SCENARIOS = [
    'echo=1', 'echo=1,split=1', 'echo=1,split=1,splitpace=50', 'echo=1,surrogates=1', 'echo=1,ascii=1',
    'echo=1,ascii=1,surrogates=1,split=1', 'echo=1,split=3,eol=crlf,comments=1', 'echo=1,size=7,split=5',
    'echo=1,chunked=0,split=2',
  ];

  for (const scenario of SCENARIOS) {
    test(`survive ${scenario}`, async () => {
      const user = await context.server.user();
      const model = await user.model(context.mock.url(scenario));
      const session = uniqueName('utf8');
      const stream = await user.stream(model, session, TEXT);
      assert.equal(stream.text, TEXT);
      assert.equal(stream.last.finish_reason, 'stop');
      const whole = await user.say(model, session, TEXT);
      assert.equal(whole.response, TEXT);
      const stored = await user.messages(session);
      assert.deepEqual(stored.map((m) => m.content), [TEXT, TEXT, TEXT, TEXT]);
      assert.ok(stored.every((m) => m.status === 'complete'));
      // The next turn sends it on as it is.
      const [request] = await context.mock.requests(1);
      assert.ok(request.json.messages.slice(1).every((m) => m.content === TEXT));
    });
  }

  test('have no U+0000, whichever way they came', async () => {
    const user = await context.server.user();
    const model = await user.model(context.mock.url('echo=1,ascii=1'));
    const session = uniqueName('nul');
    const sent = 'a\u0000b\u0000';
    const clean = 'a\ufffdb\ufffd';
    const reply = await user.say(model, session, sent);
    assert.equal(reply.response, clean);
    assert.equal((await context.mock.requests(1))[0].json.messages.at(-1).content, clean);
    await user.ok('PATCH', `/api/chat/sessions/${session}`, { title: sent });
    assert.deepEqual((await user.messages(session)).map((m) => m.content), [clean, clean]);
    assert.equal((await user.ok('GET', '/api/chat/sessions')).data[0].Title, clean);
  });

  test('have no U+0000 in a field of a form either', async (t) => {
    const folder = makeFolder();
    const lua = copyScripts(folder, { 'routes/note.lua': NOTE });
    nameRoute(lua, 'note');
    const server = await startServer({ env: { TIDETALK_LUA_DIR: lua } });
    t.after(async () => {
      await server.stop();
      server.home.remove();
      removeFolder(folder);
    });
    const answer = await server.client()
      .request('POST', '/api/test/note', form(field('note', 'a\u0000b')), { headers: TYPE });
    assert.deepEqual(answer.body, { note: 'a\ufffdb' });
  });

  test('make a title without a cut one', async () => {
    const user = await context.server.user();
    await user.say('demo', uniqueName('title'), '🌊'.repeat(30));
    const { data: [{ Title: title }] } = await user.ok('GET', '/api/chat/sessions');
    assert.match(title, /^(🌊)+…?$/u);
  });
});
