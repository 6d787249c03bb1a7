// covers: files, providers
// Images that a message attaches: sent to models that take them, in each provider's form.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';
import { newSession, upload } from './support/upload.mjs';

/** Heads of the formats; what follows does not matter here. */
const HEADS = {
  'image/png': Buffer.from('89504e470d0a1a0a', 'hex'),
  'image/jpeg': Buffer.from('ffd8ffe0', 'hex'),
  'image/gif': Buffer.from('GIF89a'),
  'image/webp': Buffer.from('RIFF\0\0\0\0WEBP'),
};
const image = (type, size = 1000) => Buffer.concat([HEADS[type], randomBytes(size)]);

/** How each provider has text and image of the last message, these and no more: {text, type, data}. */
const READ = {
  openai: ({ messages }) => {
    const [text, picture, ...more] = messages.at(-1).content;
    assert.deepEqual(more, []);
    const [, type, data] = /^data:(.*);base64,(.*)$/.exec(picture.image_url.url);
    return { text: text.text, type, data };
  },
  anthropic: ({ messages }) => {
    const [text, { source }, ...more] = messages.at(-1).content;
    assert.deepEqual(more, []);
    assert.equal(source.type, 'base64');
    return { text: text.text, type: source.media_type, data: source.data };
  },
  gemini: ({ contents }) => {
    const [text, { inlineData }, ...more] = contents.at(-1).parts;
    assert.deepEqual(more, []);
    return { text: text.text, type: inlineData.mimeType, data: inlineData.data };
  },
  ollama: ({ messages }) => {
    const { content, images } = messages.at(-1);
    assert.equal(images.length, 1);
    return { text: content, data: images[0] };
  },
};
const base = (url, provider) => ({
  gemini: url.replace(/\/v1$/, '/v1beta'), ollama: url.replace(/\/v1$/, ''),
})[provider] ?? url;

describe('images', () => {
  const context = withServer({ env: LOOPBACK, mock: true });
  let user;
  before(async () => { user = await context.server.user(); });

  const ask = (model, session, file_ids, more = {}) => user.post('/api/chat/message', {
    session_id: session, model_name: model, message: 'What is this?', file_ids, ...more,
  });
  const sent = async (id) => (await context.mock.requests()).filter((r) => r.path.includes(id)).at(-1);

  for (const [provider, read] of Object.entries(READ)) {
    test(`reach ${provider}`, async () => {
      for (const type of Object.keys(HEADS)) {
        const id = uniqueName('img');
        const model = await user.model(base(context.mock.url(`tokens=1,id=${id}`), provider), {
          provider, model_name: `${provider}-${type}`, api_name: uniqueName('api'),
        });
        const session = await newSession(user, model);
        const bytes = image(type);
        // The name's ending says that it is an image, its bytes say of which kind.
        const { file_id: file } = await upload(user, session, 'a.PNG', bytes);
        const answer = await ask(model, session, [file]);
        assert.equal(answer.status, 200, answer.text);
        const got = read((await sent(id)).json);
        assert.equal(got.text, 'What is this?');
        assert.equal(got.type, provider === 'ollama' ? undefined : type); // Ollama finds out by itself
        assert.ok(Buffer.from(got.data, 'base64').equals(bytes), 'all bytes of it');
        assert.equal(got.data, bytes.toString('base64'), 'and nothing else');
      }
    });
  }

  test('stay in the history, while the model takes them', async () => {
    const id = uniqueName('img');
    const url = context.mock.url(`tokens=1,id=${id}`);
    const sees = await user.model(url, { provider: 'openrouter', model_name: 'sees' });
    const blind = await user.model(url, { provider: 'deepseek', model_name: 'blind' });
    const session = await newSession(user, sees);
    const bytes = image('image/png');
    const { file_id: file } = await upload(user, session, 'a.png', bytes);
    const { file_id: text } = await upload(user, session, 'a.txt', 'words');
    assert.equal((await ask(sees, session, [file, text])).status, 200);
    assert.deepEqual((await user.messages(session))[0].file_ids, [file, text]);

    await user.say(sees, session, 'and?');
    const again = (await sent(id)).json.messages.find((m) => Array.isArray(m.content));
    assert.equal(again.content[0].text, 'What is this?\n\n=== a.txt ===\nwords');
    assert.ok(again.content[1].image_url.url.endsWith(bytes.toString('base64')));

    await user.say(blind, session, 'and now?');
    const told = (await sent(id)).body;
    assert.ok(!told.includes('base64'), 'a model that takes none gets none');
    assert.match(told, /a\.png.*not sent again/);

    await user.ok('DELETE', `/api/files/${file}`);
    await user.say(sees, session, 'gone?');
    assert.ok(!(await sent(id)).body.includes('base64'));
  });

  test('are refused where they cannot go, before anything is stored', async () => {
    const url = context.mock.url('tokens=1');
    const sees = await user.model(url, { provider: 'anthropic', model_name: 'sees-2' });
    const session = await newSession(user, sees);
    const { file_id: file } = await upload(user, session, 'a.jpg', image('image/jpeg'));
    const blind = await user.model(url, { provider: 'deepseek', model_name: 'blind-2' });
    const { error } = assertError(await ask(blind, session, [file]), 422, 'images_not_supported');
    assert.match(error, /blind-2.*a\.jpg/);
    assertError(await ask('demo', session, [file]), 422, 'images_not_supported');

    const { file_id: text } = await upload(user, session, 'b.png', 'this is no image');
    assertError(await ask(sees, session, [text]), 422, 'image_unreadable');
    const { file_id: large } = await upload(user, session, 'c.png', image('image/png', 6 << 20));
    assertError(await ask(sees, session, [large]), 413, 'images_too_large');
    const many = [];
    for (let i = 0; i < 9; i++) {
      many.push((await upload(user, session, `d${i}.gif`, image('image/gif'))).file_id);
    }
    assertError(await ask(sees, session, many), 413, 'images_too_large');
    assert.deepEqual(await user.messages(session), []);
    assert.equal((await ask(sees, session, many.slice(0, 8))).status, 200);
  });

});

describe('images of megabytes', () => {
  // Sanitizers make it slow to copy megabytes.
  const limits = { TIDETALK_LIMITS_SCRIPT_MEMORY: '8MiB', TIDETALK_LIMITS_SCRIPT_TIME: '2s' };
  const context = withServer({ env: { ...LOOPBACK, ...limits }, mock: true });

  test('need no memory of the scripts', async () => {
    const id = uniqueName('img');
    const user = await context.server.user();
    const model = await user.model(context.mock.url(`tokens=1,id=${id}`), { provider: 'anthropic' });
    const session = await newSession(user, model);
    const files = [];
    for (let i = 0; i < 4; i++) {
      files.push((await upload(user, session, `${i}.png`, image('image/png', 1_200_000))).file_id);
    }
    // 6 MB of JSON each; the history brings those of the turns before again.
    for (let i = 0; i < 4; i++) {
      const answer = await user.post('/api/chat/message', {
        session_id: session, model_name: model, message: 'What is this?', file_ids: files,
      });
      assert.equal(answer.status, 200, answer.text);
    }
    const request = (await context.mock.requests()).filter((r) => r.path.includes(id)).at(-1);
    assert.ok(request.body_bytes > 12_000_000, `${request.body_bytes} bytes`);
  });
});
