// tsan
// late
// covers: db, chat, reply, account
// SIGKILL at random moments under load: what clients were told must be what is stored afterwards.
//
// Several users talk at once (whole answers, streams, two clients in one session), register, log out,
// create and delete sessions. The server is killed, started again on the same folder, and all of it is
// compared with what the clients saw. An upstream that echoes makes every reply's whole text known.
//
// TIDETALK_KILL_ROUNDS (20), TIDETALK_KILL_SEED (random; printed).
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, test } from 'node:test';
import { uniqueName } from './support/client.mjs';
import { HANG_MS, pause } from './support/limits.mjs';
import { startMock } from './support/mock.mjs';
import { seeded } from './support/seeded.mjs';
import { LOOPBACK, startServer } from './support/server.mjs';

const ROUNDS = Number(process.env.TIDETALK_KILL_ROUNDS || 20);
const SEED = Number(process.env.TIDETALK_KILL_SEED || randomInt(2 ** 31));
const USERS = 4;
const TALKERS = 4; // clients of a user that talk
const SESSIONS = 3; // of a user in use at a time
const SHORT_MS = [30, 900]; // from the start of the load to the kill
// In a long round replies run for seconds, and at most the last second of one may be lost. How long a
// commit takes is the disk's affair, so the bound is told by other writes: the database takes jobs in
// order, and what a reply said is in a job of its own a second later at the latest, or as soon as its
// job before is committed. One write that was sent after that second and acknowledged proves the job
// before, another one after it the job itself. LAG_MS is for a thread that waits for a processor.
const LONG_MS = [4200, 6000];
const SECOND_MS = 1000;
const LAG_MS = 500;

const { below, pick } = seeded(SEED);

let server;
let mock;
let killed = true; // no load, or it may fail
let clock = 0; // orders what clients did
const tick = () => { clock += 1; return clock; };
const users = [];
let writes = []; // of this round: when they were sent and acknowledged
let oldestLost = 0; // ms before its kill that text was seen which is not stored
const told = { turns: 0, streams: 0, cut: 0, kept: 0, registered: 0, deleted: 0, loggedOut: 0 };

before(async () => {
  mock = await startMock();
  server = await startServer({ env: LOOPBACK });
});
after(async () => {
  await server?.kill();
  await mock?.stop();
});

// ---- what clients do ----

let messages = 0;
const WORDS = ['tide', '月亮', 'séa', '潮', '🌊', 'neap', '\n', '"quoted"', 'ebb\\flow', '👩‍🚀'];

function uniqueMessage(words) {
  messages += 1;
  const text = Array.from({ length: words }, () => pick(WORDS)).join(' ');
  return `#${messages} ${text}.`;
}

/** Registers; what is not answered may or may not be there. */
async function register() {
  const client = server.client();
  await client.register(uniqueName('killed'));
  const user = { client, sessions: [], models: {}, unknown: 0, out: null };
  told.registered += 1;
  return user;
}

/** A user that talks, with models that answer at once, soon, and slowly. */
async function addUser() {
  const user = await register();
  user.models.quick = await user.client.model(mock.url('echo=1'));
  user.models.paced = await user.client.model(mock.url('echo=1,size=8,pace=4'));
  user.models.slow = await user.client.model(mock.url('echo=1,size=4,pace=20'));
  users.push(user);
}

let sessionNumber = 0;

/** A session that its first message makes; `kept` is one client's own and never deleted. */
function newSession(user, kept = false) {
  sessionNumber += 1;
  const id = `kill-${SEED}-${sessionNumber}`;
  const session = { id, kept, turns: [], seen: null, deletion: null, settled: false };
  user.sessions.push(session);
  return session;
}

const inUse = (user) => user.sessions.filter((s) => !s.deletion && !s.kept);

/** One that is in use, or a new one. */
function anySession(user) {
  const open = inUse(user);
  return open.length < SESSIONS ? newSession(user) : pick(open.slice(-SESSIONS));
}

function newTurn(session, long) {
  const message = uniqueMessage(long ? 150 + below(150) : 1 + below(60));
  session.changed = true;
  const turn = { message, sent: tick(), done: Infinity, answer: null, messageId: null, seen: [] };
  session.turns.push(turn);
  return turn;
}

const modelOf = (user, long) => (long ? user.models.slow : pick([user.models.quick, user.models.paced]));

/** A refusal that is right: too many wait, or the session is being deleted. */
function mayRefuse(session, status) {
  return status === 429 || (status === 404 && session.deletion);
}

async function say(user, session, long) {
  const turn = newTurn(session, long);
  const sent = performance.now();
  const { status, body, text } = await user.client.post('/api/chat/message', {
    session_id: session.id, model_name: modelOf(user, long), message: turn.message,
  });
  turn.done = tick();
  if (status !== 200) {
    assert.ok(mayRefuse(session, status), `${status} ${text}`);
    turn.refused = status;
    await pause(below(20));
    return;
  }
  writes.push([sent, performance.now()]);
  turn.answer = { text: body.response, messageId: body.message_id, userId: body.user_message_id, usage: body.usage };
  told.turns += 1;
}

async function stream(user, session, long) {
  const turn = newTurn(session, long);
  let reader;
  try {
    reader = await user.client.open(modelOf(user, long), session.id, turn.message);
  } catch (error) {
    if (!error.status) throw error;
    assert.ok(mayRefuse(session, error.status), error.message);
    turn.done = tick();
    turn.refused = error.status;
    await pause(below(20));
    return;
  }
  turn.reader = reader;
  await reader.until((r) => {
    turn.messageId = r.messageId ?? null;
    turn.seen.push({ at: performance.now(), length: r.text.length });
    return r.last;
  });
  turn.done = tick();
  if (reader.last.error) {
    assert.ok(session.deletion, JSON.stringify(reader.last));
    turn.refused = 404;
    return;
  }
  turn.answer = {
    text: reader.text, messageId: reader.last.message_id, userId: reader.last.user_message_id,
    usage: reader.last.usage,
  };
  told.streams += 1;
}

async function remove(user) {
  const open = inUse(user);
  if (open.length <= SESSIONS) return;
  const session = pick(open);
  session.changed = true;
  session.deletion = { sent: tick(), done: Infinity, told: false };
  const { status, text } = await user.client.delete(`/api/chat/sessions/${session.id}`);
  // Unknown: no message of it has been stored yet.
  assert.ok(status === 200 || status === 404, text);
  session.deletion.done = tick();
  session.deletion.told = status === 200;
  told.deleted += status === 200 ? 1 : 0;
}

/** A session without messages, whose name the server makes. */
async function create(user) {
  user.unknown += 1;
  const sent = performance.now();
  const { session_id: id } = await user.client.ok('POST', '/api/chat/session', {
    model_name: user.models.quick,
  });
  writes.push([sent, performance.now()]);
  user.unknown -= 1;
  user.sessions.push({
    id, turns: [], seen: null, deletion: null, settled: false, created: true, changed: true,
  });
}

/** Another login that ends: its token must stay dead. */
async function logOut(user) {
  const client = await user.client.again();
  await client.ok('POST', '/api/logout', {});
  user.out = client;
  told.loggedOut += 1;
}

/** What one client does until the server is killed. Any failure before that is a fault. */
async function until(act) {
  try {
    while (!killed) await act();
  } catch (error) {
    if (!killed) throw error;
  }
}

function load(long) {
  const clients = [until(async () => { users.at(below(users.length)).fresh = await register(); })];
  for (const user of users) {
    for (let i = 0; i < TALKERS; i += 1) {
      // In a long round one of each kind speaks slowly.
      const own = long && i < 2 ? newSession(user, true) : null;
      const act = i % 2 ? say : stream;
      clients.push(until(() => act(user, own ?? anySession(user), Boolean(own))));
    }
    clients.push(until(async () => {
      await pick([create, remove, remove, logOut])(user);
      await pause(below(60));
    }));
  }
  return Promise.all(clients);
}

// ---- what is stored ----

async function stored(user, session) {
  const rows = [];
  let cursor = 0;
  for (;;) {
    const { status, body, text } = await user.client.get(
      `/api/chat/sessions/${session.id}/messages?limit=100&cursor=${cursor}`,
    );
    if (status === 404) return null;
    assert.equal(status, 200, text);
    rows.unshift(...body.data);
    if (!body.has_more) return rows;
    cursor = body.cursor;
  }
}

async function listed(user) {
  const counts = new Map();
  for (let page = 1; ; page += 1) {
    const body = await user.client.ok('GET', `/api/chat/sessions?page=${page}&page_size=100`);
    for (const s of body.data) counts.set(s.SessionID, s.MessageCount);
    if (page >= body.pagination.total_pages) {
      assert.equal(counts.size, body.pagination.total, 'total of the list');
      return counts;
    }
  }
}

/** When a write that was sent after this moment was acknowledged first. */
const acknowledged = (after) => Math.min(...writes.filter(([sent]) => sent >= after).map(([, told]) => told));

/** Whether what was seen at this moment must be stored. */
function mustBeStored(at, killedAt) {
  const before = acknowledged(at + SECOND_MS + LAG_MS);
  return acknowledged(before + LAG_MS) < killedAt;
}

/** Question and reply of a turn, against what its client saw. */
function checkTurn(session, turn, question, reply, killedAt) {
  const full = turn.message; // the upstream echoes
  assert.equal(reply.role, 'assistant');
  assert.equal(reply.parent_id, question.id, 'the reply follows its question');
  assert.notEqual(turn.refused, 429, 'a refused turn is stored');
  if (turn.messageId) assert.equal(reply.id, turn.messageId, 'the id that frames carried');
  if (turn.answer) {
    assert.equal(reply.status, 'complete', `told complete, stored ${reply.status}: ${turn.message}`);
    assert.equal(turn.answer.text, full, 'the client was told the whole text');
    assert.equal(question.id, turn.answer.userId);
    assert.equal(reply.id, turn.answer.messageId);
    assert.deepEqual(reply.usage, turn.answer.usage, 'usage');
  }
  if (reply.status === 'complete') {
    assert.equal(reply.content, full, 'a complete reply is byte-identical');
    return;
  }
  // A deletion that was not told ends the reply first.
  const ends = session.deletion ? ['interrupted', 'error'] : ['interrupted'];
  assert.ok(ends.includes(reply.status), JSON.stringify(reply));
  assert.ok(full.startsWith(reply.content), `no prefix: ${JSON.stringify(reply.content.slice(-80))}`);
  if (!turn.reader || turn.killedAt !== killedAt) return;
  assert.ok(full.startsWith(turn.reader.text), 'what the client saw is a prefix');
  told.cut += 1;
  const lost = turn.seen.find(({ length }) => length > reply.content.length);
  if (lost) oldestLost = Math.max(oldestLost, killedAt - lost.at);
  const old = turn.seen.filter(({ at }) => mustBeStored(at, killedAt)).at(-1);
  if (!old) return;
  told.kept += 1;
  assert.ok(reply.content.length >= old.length,
    `${old.length} characters were seen ${killedAt - old.at} ms before the kill, ${reply.content.length} are stored`);
}

/** Rows of a session: whole turns, in an order that clients can have meant, each at most once. */
function checkRows(session, rows, killedAt) {
  const turns = new Map(session.turns.map((t) => [t.message, t]));
  let latest = 0;
  assert.equal(rows.length % 2, 0, 'a question without a reply');
  for (let i = 0; i < rows.length; i += 2) {
    assert.equal(rows[i].role, 'user', 'roles alternate');
    const turn = turns.get(rows[i].content);
    assert.ok(turn, `stored twice or never sent: ${rows[i].content}`);
    turns.delete(rows[i].content);
    assert.equal(rows[i].parent_id, i ? rows[i - 1].id : null, 'the question follows the last reply');
    assert.ok(turn.done > latest, `stored in another order: ${turn.message}`);
    latest = Math.max(latest, turn.sent);
    checkTurn(session, turn, rows[i], rows[i + 1], killedAt);
  }
  return turns; // those that are not there
}

/** Whether a deletion can have taken the turn along. */
const mayBeDeleted = (session, turn) => session.deletion && turn.sent < session.deletion.done;

function checkMissing(session, missing, rows) {
  for (const turn of missing) {
    const known = turn.answer || turn.messageId;
    assert.ok(!known || mayBeDeleted(session, turn), `lost, though told: ${turn.message}`);
  }
  if (!session.deletion || !rows) return;
  // A deletion is whole or not at all: of the turns before it all are there, or none.
  const before = session.turns.filter((t) => t.done < session.deletion.sent && t.answer);
  const there = before.filter((t) => !missing.includes(t));
  assert.ok(there.length === 0 || there.length === before.length, 'half deleted');
  if (session.deletion.told) assert.equal(there.length, 0, `deleted, but there: ${session.id}`);
}

async function checkSession(user, session, counts, killedAt) {
  const rows = await stored(user, session);
  assert.equal(counts.has(session.id), rows !== null, `listed and there: ${session.id}`);
  if (rows) assert.equal(counts.get(session.id), rows.length, `message_count of ${session.id}`);
  const left = rows ? checkRows(session, rows, killedAt) : new Map(session.turns.map((t) => [t.message, t]));
  checkMissing(session, [...left.values()], rows);
  if (session.created && !session.deletion) assert.ok(rows, `made, but not there: ${session.id}`);
  // What was there after an earlier start is there, as it was, unless it was deleted since; and what
  // a deletion has left (a turn that came at the same time may make the session again) stays so.
  if (session.settled && !session.seen) {
    assert.equal(rows, null, `came back: ${session.id}`);
  } else if (session.seen && (session.settled || !session.deletion)) {
    assert.deepEqual(rows?.slice(0, session.seen.length), session.seen);
  }
  session.seen = rows;
  session.changed = false;
  session.settled = session.deletion !== null;
}

/** All of a user's sessions, or those that the round changed. */
async function checkUser(user, killedAt, all) {
  const profile = await user.client.ok('GET', '/api/profile');
  assert.equal(profile.username, user.client.user.username);
  if (user.fresh) {
    const { username } = await user.fresh.client.ok('GET', '/api/profile');
    assert.equal(username, user.fresh.client.user.username, 'registered, and the token holds');
  }
  if (user.out) assert.equal((await user.out.get('/api/profile')).status, 401, 'a logged out token holds');
  const counts = await listed(user);
  for (const session of user.sessions) {
    if (all || session.changed) await checkSession(user, session, counts, killedAt);
  }
  const known = new Set(user.sessions.map((s) => s.id));
  const unknown = [...counts.keys()].filter((id) => !known.has(id));
  assert.ok(unknown.length <= user.unknown, `sessions that nobody made: ${unknown}`);
}

async function round(number) {
  const long = number % 5 === 4;
  killed = false;
  writes = [];
  const clients = load(long);
  const fault = clients.then(() => null, (error) => error);
  const [from, to] = long ? LONG_MS : SHORT_MS;
  const ms = from + below(to - from);
  const early = await Promise.race([pause(ms), fault]);
  killed = true;
  const killedAt = performance.now();
  await server.kill();
  assert.ok(!early, early?.stack);
  assert.ok(!(await fault));
  for (const user of users) {
    for (const session of user.sessions) {
      for (const turn of session.turns) turn.killedAt ??= killedAt;
    }
  }
  await server.start();
  const all = long || number === ROUNDS - 1;
  await Promise.all(users.map((user) => checkUser(user, killedAt, all)));
}

const title = `what was told is stored after each of ${ROUNDS} kills (seed ${SEED})`;

test(title, { timeout: HANG_MS + ROUNDS * 20_000 }, async (t) => {
  t.diagnostic(`TIDETALK_KILL_SEED=${SEED}`);
  while (users.length < USERS) await addUser();
  for (let i = 0; i < ROUNDS; i += 1) {
    try {
      await round(i);
    } catch (error) {
      error.message = `round ${i + 1}, TIDETALK_KILL_SEED=${SEED}: ${error.message}`;
      throw error;
    }
  }
  await server.stop(); // in order, after all that
  t.diagnostic(`${JSON.stringify(told)}, the oldest lost text was ${Math.round(oldestLost)} ms old`);
  for (const [what, count] of Object.entries(told)) {
    assert.ok(count > 0, `never happened: ${what}`);
  }
});
