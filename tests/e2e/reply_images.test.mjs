// covers: chat, upstream, files, providers, doors
// Images that a model answers with become files of the reply's message.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { test } from './support/limits.mjs';
import { eventually } from './support/limits.mjs';
import { PATH, create, resume, stream } from './support/responses.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';
import { EVENTS, event, sends, startUpstream } from './support/upstream.mjs';

const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), randomBytes(1000)]);
const JPEG = Buffer.concat([Buffer.from('ffd8ffe0', 'hex'), randomBytes(500)]);
const base64 = (bytes) => bytes.toString('base64');
const url = (bytes, type = 'image/png') => `data:${type};base64,${base64(bytes)}`;
const part = (bytes, type) => ({ type: 'image_url', image_url: { url: url(bytes, type) } });
const lines = (list) => list.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
const DONE = 'data: [DONE]\n\n';
const answer = (...deltas) => deltas.map((delta) => event(delta)).join('') + event({}, 'stop') + DONE;
const gemini = (...parts) => lines([{ candidates: [{ content: { parts }, finishReason: 'STOP' }] }]);

/** How services send an image: [name, provider, what comes, its content type]. */
const KINDS = [
  ['OpenRouter', 'openai', answer({ images: [part(PNG)] })],
  ['an address alone', 'openai', answer({ images: [{ type: 'image_url', image_url: url(PNG) }] })],
  ['bytes alone', 'openai', answer({ images: [{ b64_json: base64(PNG) }] })],
  ['a list of texts', 'openai', answer({ images: [url(PNG)] })],
  ['a part of the content', 'openai', answer({ content: [{ type: 'text', text: '' }, part(PNG)] })],
  ['a source', 'openai', answer({ content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: base64(PNG) } }] })],
  ['without a stream', 'openai', JSON.stringify({
    choices: [{ index: 0, message: { content: '', images: [part(PNG)] }, finish_reason: 'stop' }],
  }), 'application/json'],
  ['escaped slashes', 'openai', answer({ images: [part(PNG)] }).replaceAll('/', '\\/')],
  ['without padding', 'openai', answer({ images: [part(PNG)] }).replaceAll('=', '')],
  ['Gemini', 'gemini', gemini({ inlineData: { mimeType: 'image/png', data: base64(PNG) } })],
  ['Anthropic', 'anthropic', lines([
    { type: 'content_block_start', index: 0, content_block: { type: 'image', source: { type: 'base64', media_type: 'image/png', data: base64(PNG) } } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' } }, { type: 'message_stop' },
  ])],
  ['Ollama', 'ollama', `${JSON.stringify({ message: { content: '', images: [base64(PNG)] }, done: true, done_reason: 'stop' })}\n`,
    'application/x-ndjson'],
];

/** A user's model that answers so. */
const setup = async (t, context, behaviour, provider = 'openai') => {
  const upstream = await startUpstream();
  t.after(() => upstream.stop());
  const user = await context.server.user();
  const base = { gemini: (at) => at.replace(/v1$/, 'v1beta'), ollama: (at) => at.replace(/\/v1$/, '') };
  const { url: at } = upstream.add(behaviour);
  return { user, model: await user.model((base[provider] ?? ((same) => same))(at), { provider }) };
};

const listFiles = async (user, session) => (await user.ok('GET', `/api/files/session/${session}`)).data;
const bytesOf = (context, file) =>
  readFileSync(join(context.server.home.dataDir, 'files', file.FilePath.slice(0, 2), file.FilePath));
const filesOnDisk = (context) =>
  readdirSync(join(context.server.home.dataDir, 'files'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).length;

describe('images of a reply', () => {
  const context = withServer({ env: LOOPBACK });

  for (const [name, provider, body, type] of KINDS) {
    test(`are stored: ${name}`, async (t) => {
      const { user, model } = await setup(t, context, sends(body, type ? { 'Content-Type': type } : EVENTS), provider);
      const session = uniqueName('s');
      const reply = await user.say(model, session, 'draw');
      assert.equal(reply.response, '\n[image/png, 1.0 KiB]\n');
      const [file, ...more] = await listFiles(user, session);
      assert.deepEqual(more, []);
      assert.deepEqual(reply.file_ids, [file.ID]);
      assert.equal(file.FileName, `image-${reply.message_id}-1.png`);
      assert.equal(file.FileType, '.png');
      assert.equal(file.FileSize, PNG.length);
      assert.ok(bytesOf(context, file).equals(PNG));
      const content = await user.fetch('GET', `/api/files/${file.ID}/content`);
      assert.equal(content.headers.get('content-type'), 'image/png');
      assert.ok(Buffer.from(await content.arrayBuffer()).equals(PNG));
      const [asked, stored] = await user.messages(session);
      assert.deepEqual(asked.file_ids, []);
      assert.deepEqual(stored.file_ids, [file.ID]);
      assert.equal(stored.status, 'complete');
    });
  }

  test('have the type of their bytes, and are told at the end of a stream, also later', async (t) => {
    const { user, model } = await setup(t, context,
      sends(answer({ content: 'Look:' }, { images: [part(JPEG), part(Buffer.from('no image'))] }, { images: [part(PNG, 'text/html')] })));
    const session = uniqueName('s');
    const reader = await user.stream(model, session, 'draw');
    assert.equal(reader.last.done, true);
    const files = (await listFiles(user, session)).reverse();
    assert.deepEqual(reader.last.file_ids, files.map((file) => file.ID));
    const id = reader.last.message_id;
    assert.deepEqual(files.map((file) => file.FileName), [`image-${id}-1.jpg`, `image-${id}-2.bin`, `image-${id}-3.png`]);
    const frames = (await user.get(`/api/chat/sessions/${session}/stream?after=${id}.0`)).text.trim().split('\n\n');
    assert.deepEqual(JSON.parse(frames.at(-1).split('data: ')[1]).file_ids, reader.last.file_ids);
    // Deleted with the session, as all of its files are.
    await user.ok('DELETE', `/api/chat/sessions/${session}`);
    assert.equal((await user.get(`/api/files/session/${session}`)).status, 404);
  });

  test('are no part of what the model is asked later', async (t) => {
    const bodies = [];
    const { user, model } = await setup(t, context, (request, response, body) => {
      bodies.push(body);
      sends(answer({ content: 'ok', images: [part(PNG)] }))(request, response);
    });
    const session = uniqueName('s');
    await user.say(model, session, 'draw');
    await user.say(model, session, 'again');
    assert.deepEqual(bodies[1].messages.slice(-3).map((one) => [one.role, one.content]), [
      ['user', 'draw'], ['assistant', 'ok\n[image/png, 1.0 KiB]\n'], ['user', 'again'],
    ]);
  });

  test('are at most sixteen, and kept when the answer fails', async (t) => {
    const error = { message: 'no', type: 'server_error' };
    const { user, model } = await setup(t, context,
      sends(event({ images: Array(18).fill(part(PNG)) }) + lines([{ error }])));
    const session = uniqueName('s');
    const reader = await user.stream(model, session, 'draw');
    assert.equal(reader.last.code, 'upstream_failed');
    assert.equal(reader.last.file_ids.length, 16);
    assert.equal((await listFiles(user, session)).length, 16);
    assert.equal((await user.messages(session))[1].usage.images_left_out, 2);
    assert.match(context.server.log(), /"images of a reply were not stored".*"count":2,"code":"images_too_large"/);
  });
});

describe('images of a reply whose session is deleted', () => {
  const context = withServer({ env: LOOPBACK });

  test('do not stay on the disk', async (t) => {
    const { user, model } = await setup(t, context, (request, response) => {
      response.writeHead(200, EVENTS);
      response.write(event({ images: [part(PNG)] })); // and it goes on
    });
    const session = uniqueName('s');
    const reader = await user.open(model, session, 'draw');
    await reader.until(({ text }) => text !== '');
    await user.ok('DELETE', `/api/chat/sessions/${session}`);
    await eventually(async () => /"images of a reply were not stored".*"count":1,"code":"no_room"/.test(context.server.log()), 'the end');
    await eventually(async () => filesOnDisk(context) === 0, 'the bytes without a row are removed');
    await reader.end();
  });
});

describe('images of a response', () => {
  const context = withServer({ env: LOOPBACK });
  const item = (id, bytes) => ({ id, type: 'image_generation_call', status: 'completed', result: base64(bytes) });

  test('are items behind the others, for everybody who reads it', async (t) => {
    const { user, model } = await setup(t, context, sends(answer({ content: 'Look' }, { images: [part(PNG), part(JPEG)] })));
    const events = await stream(user, { model, input: 'draw' });
    const { response } = events.at(-1);
    const suffix = response.id.slice('resp_'.length);
    assert.equal(response.output[0].content[0].text, 'Look\n[image/png, 1.0 KiB]\n\n[image/png, 0.5 KiB]\n');
    const items = [item(`ig_${suffix}_1`, PNG), { ...item(`ig_${suffix}_2`, JPEG) }];
    assert.deepEqual(response.output.slice(1), items);
    const of = (type) => events.filter((one) => one.type === `response.output_item.${type}`).map((one) => one.item);
    assert.deepEqual(of('done').slice(1), items);
    assert.deepEqual(of('added').slice(1), items.map((one) => ({ ...one, status: 'in_progress', result: null })));
    // They are files meanwhile.
    assert.deepEqual((await user.ok('GET', `${PATH}/${response.id}`)).output, response.output);
    for (const known of events.slice(-4)) {
      assert.deepEqual(await resume(user, response.id, known.sequence_number), events.slice(events.indexOf(known) + 1));
    }
    const files = await listFiles(user, response.id);
    assert.deepEqual(files.map((file) => file.FileType), ['.jpg', '.png']);
    await user.ok('DELETE', `/api/files/${files[0].ID}`);
    assert.deepEqual((await user.ok('GET', `${PATH}/${response.id}`)).output.slice(1), items.slice(0, 1));
    const named = await create(user, { model, input: [{ type: 'item_reference', id: items[0].id }, { role: 'user', content: 'more' }] });
    assert.deepEqual((await user.ok('GET', `${PATH}/${named.id}/input_items?order=asc`)).data[0], items[0]);
    // The model is told of them in words.
    const next = await create(user, { model, input: [...response.output, { role: 'user', content: 'more' }], store: false });
    assert.equal(next.output.length, 3);
    assert.equal((await create(user, { model, input: 'more', previous_response_id: response.id })).output.length, 3);
  });

  test('of one that is cut off are whole', async (t) => {
    const { user, model } = await setup(t, context,
      sends(event({ content: 'Look', images: [part(PNG)] }) + event({}, 'length') + DONE));
    const { output, status } = await create(user, { model, input: 'draw', store: false });
    assert.equal(status, 'incomplete');
    assert.deepEqual(output.map((one) => [one.type, one.status]), [['message', 'incomplete'], ['image_generation_call', 'completed']]);
  });
});

describe('images of a reply without room', () => {
  const context = withServer({ env: { ...LOOPBACK, TIDETALK_LIMITS_USER_FILES: '1600' } });
  test('are named in the text only', async (t) => {
    const { user, model } = await setup(t, context, sends(answer({ images: [part(PNG), part(PNG), part(JPEG)] })));
    const session = uniqueName('s');
    const reply = await user.say(model, session, 'draw');
    assert.equal(reply.response, '\n[image/png, 1.0 KiB]\n\n[image/png, 1.0 KiB]\n\n[image/png, 0.5 KiB]\n');
    const files = await listFiles(user, session);
    assert.deepEqual(files.map((file) => file.FileName), [`image-${reply.message_id}-3.jpg`, `image-${reply.message_id}-1.png`]);
    assert.deepEqual(reply.file_ids, files.map((file) => file.ID).reverse());
    assert.match(context.server.log(), /"images of a reply were not stored".*"count":1,"code":"no_room"/);
    assert.equal(reply.usage.images_left_out, 1);
    const [, message] = await user.messages(session);
    assert.deepEqual([message.usage.images_left_out, message.file_ids], [1, reply.file_ids]);
    await eventually(async () => filesOnDisk(context) === 2, 'the bytes without a row are removed');
    // What is deleted leaves room.
    await user.ok('DELETE', `/api/files/${files[0].ID}`);
    assert.equal((await user.say(model, session, 'draw')).file_ids.length, 1);
  });
});
