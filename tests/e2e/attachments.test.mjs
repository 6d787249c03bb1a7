// late
// covers: files, chat
// Files in conversations: what of them reaches the model, now and later, and which are refused.
import assert from 'node:assert/strict';
import { before, describe } from 'node:test';
import { makeDocx, makePdf } from './support/documents.mjs';
import { HANG_MS, test } from './support/limits.mjs';
import { LOOPBACK } from './support/server.mjs';
import { assertError, withServer } from './support/suite.mjs';
import { list, newSession, upload } from './support/upload.mjs';

describe('attached files', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_FILES_TEXT_TYPES: '.tide' }, mock: true });
  let user;
  let model;
  before(async () => {
    user = await context.server.user();
    model = await user.model(context.mock.url('echo=1'));
  }, { timeout: HANG_MS });

  /** What the upstream was last asked. */
  const asked = async () => (await context.mock.requests()).at(-1).json.messages;

  test('reach the model after the message, decoded', async () => {
    const session = await newSession(user, model);
    const text = '潮起潮落，月有圆缺。';
    const gb = Buffer.from('b3b1c6f0b3b1c2e4a3acd4c2d3d0d4b2c8b1a1a3', 'hex');
    const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
    const ids = [];
    for (const [name, bytes] of [['gb.txt', gb], ['wide.md', utf16], ['plain.tide', text],
      ['bom.py', `\ufeff${text}`]]) {
      ids.push((await upload(user, session, name, bytes)).file_id);
    }
    await user.say(model, session, '这是什么？', { file_ids: [...ids, ids[0]] });
    const { content } = (await asked()).at(-1);
    const block = (name) => `=== ${name} ===\n${text}`;
    assert.equal(content, ['这是什么？', ...['gb.txt', 'wide.md', 'plain.tide', 'bom.py'].map(block)].join('\n\n'));
    const [message] = await user.messages(session);
    assert.equal(message.content, '这是什么？');
    assert.deepEqual(message.file_ids, ids);
    for (const row of await list(user, session)) {
      assert.equal(row.IsProcessed, true);
      assert.equal(row.Content, text);
    }
  });

  test('may be a PDF or a docx', async () => {
    const session = await newSession(user, model);
    for (const [name, bytes] of [['a.pdf', makePdf('Spring tide')], ['b.DOCX', makeDocx('大潮 & neap')]]) {
      const { file_id: id } = await upload(user, session, name, bytes);
      await user.say(model, session, 'what?', { file_ids: [id] });
      const { content } = (await asked()).at(-1);
      assert.match(content, name === 'a.pdf' ? /=== a\.pdf ===\nSpring tide/ : /=== b\.DOCX ===\n大潮 & neap/);
    }
  });

  test('may come without a message', async () => {
    const session = await newSession(user, model);
    const { file_id: id } = await upload(user, session, 'alone.txt', 'only this');
    await user.say(model, session, '', { file_ids: [id] });
    assert.equal((await asked()).at(-1).content, '=== alone.txt ===\nonly this');
    assert.equal((await user.messages(session))[0].content, '');
    assertError(await user.post('/api/chat/message', {
      session_id: session, model_name: model, message: '', file_ids: [],
    }), 400, 'missing_field');
  });

  test('are in the history, also after a restart and for a new reply', async () => {
    const session = await newSession(user, model);
    const { file_id: id } = await upload(user, session, 'h.txt', 'the text');
    const first = await user.say(model, session, 'look', { file_ids: [id] });
    const content = 'look\n\n=== h.txt ===\nthe text';
    await context.server.stop();
    await context.server.start();
    await user.say(model, session, 'and now?');
    const messages = (await asked()).filter((m) => m.role !== 'system');
    assert.deepEqual(messages.map((m) => m.content), [content, first.response, 'and now?']);
    const again = await user.post('/api/chat/message', {
      session_id: session, model_name: model, message: '', regenerate: first.message_id,
    });
    assert.equal(again.status, 200, again.text);
    assert.equal((await asked()).at(-1).content, content);
    await user.ok('DELETE', `/api/files/${id}`);
    await user.say(model, session, 'gone?');
    const contents = (await asked()).filter((m) => m.role === 'user').map((m) => m.content);
    assert.deepEqual(contents, ['look', 'gone?'], 'on the path of the newest reply');
  });

  test('must be text of this session and of the caller', async () => {
    const session = await newSession(user, model);
    const other = await newSession(user, model);
    const stranger = await context.server.user();
    const theirs = await newSession(stranger);
    const attach = (ids) => user.post('/api/chat/message', {
      session_id: session, model_name: model, message: 'x', file_ids: ids,
    });
    for (const id of [
      (await upload(stranger, theirs, 'a.txt', 'secret')).file_id,
      (await upload(user, other, 'a.txt', 'x')).file_id, 1e15,
    ]) assertError(await attach([id]), 404, 'file_not_found');
    const { file_id: image } = await upload(user, session, 'a.png', 'x');
    assertError(await attach([image]), 422, 'image_unreadable');
    const { file_id: program } = await upload(user, session, 'a.exe', 'x');
    assertError(await attach([program]), 422, 'file_not_text');
    const { file_id: binary } = await upload(user, session, 'b.txt', Buffer.from([0, 1, 2, 0, 255]));
    assertError(await attach([binary]), 422, 'unsupported_encoding');
    const { file_id: long } = await upload(user, session, 'c.txt', Buffer.alloc(1_100_000, 'x'));
    assert.equal((await attach([long])).status, 422);
    const { file_id: broken } = await upload(user, session, 'd.docx', 'no zip');
    assertError(await attach([broken]), 422, 'extract_failed');
    assert.deepEqual(await user.messages(session), [], 'nothing of them was stored');
  });
});
