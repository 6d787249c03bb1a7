// covers: base, upstream, chat, http
// Text arrives byte by byte, in escapes and half characters; it is told and stored unchanged.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

// One, two, three and four bytes; joined emoji; combining marks; CJK beyond the BMP.
const TEXT = '潮聊🌊：𠮷野家でぇ，né é \u00a0\ufeff👩‍👩‍👧‍👦🇨🇳 "引号" \\ \n\t\u2028 𝕋𝕚𝕕𝕖 龘𪚥 \u{10ffff}.';

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

  test('make a title without a cut one', async () => {
    const user = await context.server.user();
    await user.say('demo', uniqueName('title'), '🌊'.repeat(30));
    const { data: [{ Title: title }] } = await user.ok('GET', '/api/chat/sessions');
    assert.match(title, /^(🌊)+…?$/u);
  });
});
