// covers: cache, account
// The cache with a real Redis behind it: alive, killed, frozen, mad, full, locked and absent. Whatever
// it does, every request is answered, and nothing stale or deleted comes out of it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe } from 'node:test';
import { statusOf } from './support/admin.mjs';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, eventually, test } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { freePort } from './support/process.mjs';
import { startRedis } from './support/redis.mjs';
import { LOOPBACK, PERSONAS, Server, startServer } from './support/server.mjs';
import { assertError } from './support/suite.mjs';
import { assertAllServed, roles, traffic } from './support/traffic.mjs';
import { list, newSession, upload } from './support/upload.mjs';

const env = (url, more) => ({ ...LOOPBACK, TIDETALK_REDIS_URL: url, TIDETALK_REDIS_TIMEOUT: '200ms', ...more });

const stateIs = (server, state) => eventually(async () =>
  (await statusOf(server)).redis.state === state, `redis is ${state}`);

/** A server and an upstream; with `redis` also a Redis of the block's own. */
function withCache({ redis, url, settings } = {}) {
  const context = {};
  before(async () => {
    context.mock = await startMock();
    if (redis) context.redis = await startRedis(redis);
    context.server = await startServer({
      env: env(url ? await url(context) : context.redis.url, settings),
    });
    if (!url) await stateIs(context.server, 'up');
  }, { timeout: HANG_MS });
  after(async () => {
    try {
      context.redis?.thaw();
      await context.server?.stop();
    } finally {
      context.server?.home.remove();
      await context.redis?.kill();
      await context.mock?.stop();
    }
  }, { timeout: HANG_MS });
  context.restart = async () => {
    await context.server.stop();
    context.server = await new Server(context.server.home, context.server.port).start();
  };
  return context;
}

/** A user whose model tells what it is sent. */
async function setup({ server, mock }, scenario = 'echo=roles') {
  const user = await server.user();
  const model = await user.model(mock.url(scenario));
  const session = await newSession(user, model);
  return { user, model, session, say: (message, more) => user.say(model, session, message, more) };
}

/** Puts a session into the cache: it is read for a turn that is then refused. Waits until Redis has it. */
async function keep({ redis }, { user, model, session }) {
  const name = `session:${user.user.id}:${session}`;
  await eventually(async () => { // a worker may still be on its way back to Redis
    // Another version: one that the process has would not be written again.
    await user.ok('PATCH', `/api/chat/sessions/${session}`, { model_name: model });
    const refused = await user.post('/api/chat/message', {
      session_id: session, model_name: model, message: 'nowhere', parent_id: 999999999,
    });
    assert.equal(refused.status, 404, refused.text);
    return (await redis.keys()).some((key) => key.endsWith(name));
  }, `${name} is kept`, 20_000);
}

describe('with Redis', () => {
  const context = withCache({ redis: {} });

  test('a chat goes on after a restart, with history and files, out of the cache', async () => {
    const { user, model, session, say } = await setup(context, 'echo=body');
    const { file_id: id } = await upload(user, session, '潮.txt', '潮起潮落，月有圆缺。');
    await say('first question', { file_ids: [id] });
    await say('second question');
    await say('third question');
    await context.restart();
    await stateIs(context.server, 'up');
    const { response } = await say('fourth question');
    const sent = JSON.parse(response).messages;
    const questions = sent.filter((m) => m.role === 'user').map((m) => m.content);
    assert.equal(questions[0], 'first question\n\n=== 潮.txt ===\n潮起潮落，月有圆缺。');
    assert.deepEqual(questions.slice(1), ['second question', 'third question', 'fourth question']);
    assert.deepEqual((await list(user, session)).map((f) => [f.ID, f.IsProcessed]), [[id, true]]);
    const { redis } = await statusOf(context.server);
    assert.ok(redis.hits > 0, JSON.stringify(redis));
    assert.equal(redis.errors, 0);
    assert.equal((await user.messages(session)).length, 8);
    assert.equal((await user.ok('GET', '/api/models')).data[0].model_name, model);
  });

  test('no key of an API is in it, and what is there says whose it is', async () => {
    const talk = await setup(context);
    await talk.say('one');
    await talk.say('two');
    await keep(context, talk);
    const dump = await context.redis.dump();
    assert.ok(dump.includes(`model:${talk.user.user.id}:`), dump);
    assert.doesNotMatch(dump, /sk-test-/);
    for (const key of await context.redis.keys()) assert.match(key, /^tide:1:\w+:\d+:/);
  });

  test('everything has an expiry', async () => {
    await keep(context, await setup(context));
    for (const key of await context.redis.keys()) {
      const left = Number(await context.redis.command('PTTL', key));
      assert.ok(left > 0 && left <= 30 * 60 * 1000, `${key}: ${left}`);
    }
  });

  test('a changed configuration or persona holds from the next message on', async () => {
    const { user, model, session, say } = await setup(context, 'text=one');
    const { api } = await user.ok('GET', '/api/user/apis/first');
    for (const text of ['one', 'one']) assert.equal((await say('hi')).response, text);
    await user.ok('PUT', `/api/user/apis/${api.id}`, { base_url: context.mock.url('echo=key') });
    assert.equal((await say('hi')).response, user.apiKey);
    await user.ok('PUT', `/api/user/apis/${api.id}`, { api_key: 'sk-other-9876543210' });
    assert.equal((await say('hi')).response, 'sk-other-9876543210');
    await user.ok('PUT', `/api/user/apis/${api.id}`, { base_url: context.mock.url('echo=system') });
    assert.equal((await say('hi')).response, PERSONAS[0].content);
    await user.ok('PATCH', `/api/chat/sessions/${session}`, { persona: PERSONAS[1].name });
    assert.equal((await say('hi')).response, PERSONAS[1].content);
    assert.equal((await say('hi', { persona: PERSONAS[2].name })).response, PERSONAS[2].content);
    await user.ok('DELETE', `/api/user/apis/${api.id}`);
    const gone = await user.post('/api/chat/message', { session_id: session, model_name: model, message: 'hi' });
    assert.deepEqual([gone.status, gone.body.code], [422, 'no_api_for_model']);
    // The conversations hold the keys here, because the upstream said them.
    const kept = (await context.redis.dump()).split('\n').filter((line) => line.startsWith('tide:1:model:'));
    assert.doesNotMatch(kept.join('\n'), /sk-(test|other)-/);
  });

  test('full: it refuses writes, nobody notices', async () => {
    await context.redis.command('CONFIG', 'SET', 'maxmemory', '1');
    try {
      const { say } = await setup(context);
      for (const turns of [1, 2, 3]) assert.equal((await say('hi')).response, roles(turns));
      const { redis } = await statusOf(context.server);
      assert.equal(redis.state, 'up');
      assert.match(redis.last_error, /OOM/);
    } finally {
      await context.redis.command('CONFIG', 'SET', 'maxmemory', '0');
    }
  });

  test('values that somebody else put there are not believed', async () => {
    const { say } = await setup(context);
    await say('one');
    await say('two');
    await context.restart();
    await stateIs(context.server, 'up');
    const keys = await context.redis.keys();
    for (const [i, key] of keys.entries()) {
      if (i % 3 === 0) await context.redis.command('COPY', key, keys.at(i - 1), 'REPLACE'); // whole, but another's
      else await context.redis.command('SET', key, ['nonsense', '{"id":1,"version":1}'][i % 2]);
    }
    assert.equal((await say('three')).response, roles(3));
    await context.redis.command('FLUSHALL');
    assert.equal((await say('four')).response, roles(4));
  });
});

describe('what is kept, kind by kind', () => {
  // One worker: when Redis is up, it is so for whoever is asked.
  const context = withCache({ redis: {}, settings: { TIDETALK_WORKERS: '1' } });

  /** How often Redis had something since the server was started, and what the process had. */
  const hits = async () => {
    const { redis, cache } = await statusOf(context.server);
    return [redis.hits, cache.hits];
  };

  test('a session and its conversation are taken from there after a restart, each once', async () => {
    const talk = await setup(context);
    const { user, session } = talk;
    await talk.say('one');
    await talk.say('two');
    const key = (kind) => `tide:1:${kind}:${user.user.id}:${session}`;
    await eventually(async () => (await context.redis.command('GET', key('full'))).includes('two')
      && (await context.redis.command('GET', key('session'))).includes('"message_count":4'), 'both turns are kept');
    await context.restart();
    await stateIs(context.server, 'up');
    assert.deepEqual(await hits(), [0, 0]);

    // The conversation alone; its session is read from the database here.
    const history = () => user.ok('GET', `/api/chat/sessions/${session}/context`);
    const first = await history();
    assert.deepEqual(first.data.map((m) => m.content), ['one', 'system,user', 'two', roles(2)]);
    assert.deepEqual(await hits(), [1, 0], 'the conversation');
    assert.deepEqual(await history(), first);
    assert.deepEqual(await hits(), [1, 1], 'the conversation again');

    // The session alone: the turn is refused before it needs anything else, and the demo has no configuration.
    const refuse = async (model) => assertError(await user.post('/api/chat/message', {
      session_id: session, model_name: model, message: 'nowhere', parent_id: 999999999,
    }), 404, 'message_not_found');
    await refuse('demo');
    assert.deepEqual(await hits(), [2, 1], 'the session');
    await refuse('demo');
    assert.deepEqual(await hits(), [2, 2], 'the session again');
    await refuse(talk.model);
    assert.deepEqual(await hits(), [3, 3], 'the configuration, and the session again');

    assert.equal((await talk.say('three')).response, roles(3));
  });

  test('what is not there is read from the database and kept again', async () => {
    const { user, session, say } = await setup(context);
    await say('one');
    await context.restart();
    await stateIs(context.server, 'up');
    await context.redis.command('FLUSHALL');
    const { data } = await user.ok('GET', `/api/chat/sessions/${session}/context`);
    assert.equal(data.length, 2);
    assert.deepEqual(await hits(), [0, 0]);
    await eventually(async () => (await context.redis.keys()).includes(`tide:1:full:${user.user.id}:${session}`),
      'the conversation is kept');
  });
});

describe('Redis that dies', () => {
  const context = withCache({ redis: {} });

  test('in the middle of the traffic fails no request, and is used again when it is back', async () => {
    const talks = await Promise.all(Array.from({ length: 16 }, () => setup(context)));
    const load = traffic(talks);
    await load.more(20);
    await context.redis.kill();
    await stateIs(context.server, 'down');
    await load.more(20);
    await context.redis.start();
    await stateIs(context.server, 'up');
    await load.more(20);
    assertAllServed(await load.end(), 50);
    const { redis } = await statusOf(context.server);
    assert.equal(redis.opened, 1);
    assert.notEqual(redis.last_error, '');
  });

  test('takes no part of a conversation along', async () => {
    const { say, user, session } = await setup(context);
    await say('one');
    await say('two');
    await context.redis.kill();
    assert.equal((await say('three')).response, roles(3));
    await context.restart();
    assert.equal((await say('four')).response, roles(4));
    assert.equal((await user.messages(session)).length, 8);
    await context.redis.start();
    await stateIs(context.server, 'up');
    assert.equal((await say('five')).response, roles(5));
  });
});

describe('frozen Redis', () => {
  const context = withCache({ redis: {} });

  test('fails no request and opens the breaker once', async () => {
    const talks = await Promise.all(Array.from({ length: 16 }, () => setup(context)));
    const load = traffic(talks);
    await load.more(20);
    const { redis: earlier } = await statusOf(context.server);
    context.redis.freeze();
    await stateIs(context.server, 'down');
    await load.more(150); // one every 20 ms: probes come and fail meanwhile
    const { redis: during } = await statusOf(context.server);
    context.redis.thaw();
    await stateIs(context.server, 'up');
    await load.more(20);
    assertAllServed(await load.end(), 100);
    const { redis: later } = await statusOf(context.server);
    assert.deepEqual([during.opened, later.opened], [earlier.opened + 1, earlier.opened + 1]);
    assert.equal(during.state, 'down');
    assert.match(during.last_error, /no answer within 200 ms/);
  });

  test('changes made meanwhile hold, whatever it still has', async () => {
    const { user, say, session } = await setup(context, 'echo=system');
    await say('one');
    await say('two');
    context.redis.freeze();
    await user.ok('PATCH', `/api/chat/sessions/${session}`, { persona: PERSONAS[1].name });
    assert.equal((await say('three')).response, PERSONAS[1].content);
    context.redis.thaw();
    await context.restart();
    await stateIs(context.server, 'up');
    assert.equal((await say('four')).response, PERSONAS[1].content);
  });

  /** A session that Redis knows is deleted while nobody can tell Redis. */
  const deleteUnseen = async () => {
    const talk = await setup(context, 'echo=body');
    // Several at a time, so that every worker is asked; not `talk`, which would double each time.
    const others = await Promise.all(Array.from({ length: 8 }, () => setup(context)));
    const named = { ...talk, session: uniqueName('session') };
    named.say = (message) => talk.user.say(talk.model, named.session, message);
    await named.say('the old secret');
    await keep(context, named);
    context.redis.freeze();
    // What is sent before the breaker opens waits in a buffer and would be heard at last.
    await eventually(async () => {
      await Promise.all(others.map((other) => other.say('somewhere else')));
      return (await statusOf(context.server)).redis.state === 'down';
    }, 'the breaker opens', 20_000);
    await named.user.ok('DELETE', `/api/chat/sessions/${named.session}`);
    return named;
  };

  const assertGone = async ({ user, session }) => {
    for (const path of [`sessions/${session}/messages`, `sessions/${session}/export`,
      `recover?session_id=${session}`]) {
      assert.equal((await user.get(`/api/chat/${path}`)).status, 404, path);
    }
    const { data } = await user.ok('GET', '/api/chat/sessions');
    assert.ok(!data.some((row) => row.SessionID === session));
  };

  /** Its name may be used again, and begins anew. */
  const assertBeginsAnew = async ({ say, user, session }, afterFirst) => {
    for (const [turns, message] of [[1, 'hello'], [2, 'again'], [3, 'and again']]) {
      if (turns === 2) await afterFirst?.();
      const { messages } = JSON.parse((await say(message)).response);
      assert.equal(messages.map((m) => m.role).join(','), roles(turns));
      assert.doesNotMatch(JSON.stringify(messages), /old secret/);
    }
    const { data } = await user.ok('GET', '/api/chat/sessions');
    assert.deepEqual(data.filter((row) => row.SessionID === session).map((row) => [row.Title, row.MessageCount]),
      [['hello', 6]]);
  };

  test('brings no deleted session back when it thaws', async () => {
    const talk = await deleteUnseen();
    await assertGone(talk);
    context.redis.thaw();
    await stateIs(context.server, 'up');
    await assertGone(talk);
    await assertBeginsAnew(talk);
  });

  test('nor into a new one of its name that was made before', async () => {
    const talk = await deleteUnseen();
    await assertBeginsAnew(talk, async () => {
      context.redis.thaw();
      await stateIs(context.server, 'up');
    });
  });

  test('nor after the server was started again', async () => {
    const talk = await deleteUnseen();
    await context.restart();
    await assertGone(talk);
    context.redis.thaw();
    await stateIs(context.server, 'up');
    await assertGone(talk);
    await assertBeginsAnew(talk);
  });
});

describe('Redis that is none', () => {
  for (const [name, answer] of [['speaks HTTP', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'],
    ['sends nonsense', '\u0000\u0001\u00ff'.repeat(50)], ['promises gigabytes', '$2147483647\r\nx'],
    ['says yes to everything', '+OK\r\n'.repeat(20)]]) {
    describe(name, () => {
      let listener;
      const sockets = new Set();
      const context = withCache({
        url: async () => {
          listener = createServer((socket) => {
            sockets.add(socket);
            socket.on('error', () => {});
            socket.on('data', () => socket.write(answer, 'latin1'));
          });
          listener.listen(0, '127.0.0.1');
          await once(listener, 'listening');
          listener.unref();
          return `redis://127.0.0.1:${listener.address().port}`;
        },
      });
      after(() => {
        for (const socket of sockets) socket.destroy();
        listener.close();
      });

      test('is left alone', async () => {
        const { say } = await setup(context);
        for (const turns of [1, 2, 3]) assert.equal((await say('hi')).response, roles(turns));
        await eventually(async () => (await statusOf(context.server)).redis.last_error !== '', 'the reason shows');
        const { redis } = await statusOf(context.server);
        assert.equal(redis.hits, 0);
        assert.equal((await say('hi')).response, roles(4));
      });
    });
  }
});

describe('Redis that wants another password', () => {
  const context = withCache({
    redis: { password: 'neap-tide' },
    url: ({ redis }) => redis.url.replace('neap-tide', 'wrong-tide'),
  });

  test('is left alone, and no password is told', async () => {
    const { say } = await setup(context);
    for (const turns of [1, 2, 3]) assert.equal((await say('hi')).response, roles(turns));
    await stateIs(context.server, 'down');
    const { redis } = await statusOf(context.server);
    assert.match(redis.last_error, /WRONGPASS|invalid password/i);
    assert.doesNotMatch(JSON.stringify(redis) + context.server.log(), /wrong-tide|neap-tide/);
    assert.deepEqual(await context.redis.keys(), []);
  });
});

describe('Redis with a password', () => {
  const context = withCache({ redis: { password: 'neap-tide' } });

  test('is used', async () => {
    const { say } = await setup(context);
    for (const turns of [1, 2, 3]) assert.equal((await say('hi')).response, roles(turns));
    await eventually(async () => (await context.redis.keys()).length > 0, 'something is kept');
    assert.doesNotMatch(context.server.log(), /neap-tide/);
  });
});

describe('Redis that is absent', () => {
  const context = withCache({ url: async () => `redis://127.0.0.1:${await freePort()}` });

  test('is not missed', async () => {
    const { say } = await setup(context);
    for (const turns of [1, 2, 3]) assert.equal((await say('hi')).response, roles(turns));
    await stateIs(context.server, 'down');
    await context.restart();
    assert.equal((await say('hi')).response, roles(4));
    assert.equal((await statusOf(context.server)).redis.opened, 0, 'it never was up');
  });
});

describe('no Redis', () => {
  const context = withCache({ url: () => '' });

  test('is told, and the process keeps things itself', async () => {
    const { say } = await setup(context);
    for (const turns of [1, 2, 3]) assert.equal((await say('hi')).response, roles(turns));
    const { redis, cache } = await statusOf(context.server);
    assert.equal(redis.state, 'off');
    assert.ok(cache.entries > 0, JSON.stringify(cache));
  });
});
