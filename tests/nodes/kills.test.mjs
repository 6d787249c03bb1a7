// covers: node, chat, reply, web
// SIGKILL of the node that owns a reply, at a byte of the reply that a seed chooses. Each acknowledged turn is there
// once; what is stored of the reply is what a viewer through the other node ends with, and a prefix of what was said.
//
// TIDETALK_NODE_KILLS (4), TIDETALK_KILL_SEED (random; printed).
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { psql } from '../e2e/support/databases.mjs';
import { HANG_MS, pause, test, within } from '../e2e/support/limits.mjs';
import { startMock } from '../e2e/support/mock.mjs';
import { startCluster, through } from './cluster.mjs';
import { seeded } from '../e2e/support/seeded.mjs';

const KILLS = Number(process.env.TIDETALK_NODE_KILLS || 4);
const SEED = Number(process.env.TIDETALK_KILL_SEED || randomInt(2 ** 31));
const TOKENS = 700;
const PACE_MS = 4;
const SAID = Array.from({ length: TOKENS }, (_, i) => `tok${i} `).join('');
const SLOW = `tokens=${TOKENS},pace=${PACE_MS}`;
const BEFORE_MAX = 3; // turns that are acknowledged before the reply that is cut off

describe(`kills of owners, seed ${SEED}`, () => {
  let mock;
  let cluster;
  const seen = { kills: 0, stored: 0, complete: 0, resets: 0 };

  before(async () => {
    mock = await startMock();
    cluster = await startCluster(2);
  }, { timeout: HANG_MS });
  after(async () => {
    await cluster.stop();
    await mock.stop();
  }, { timeout: HANG_MS });

  /** What was acknowledged before: {text, ids}, each through one of the nodes. */
  async function sayBefore(chance, clients, session) {
    const told = [];
    for (let i = chance.between(0, BEFORE_MAX); i > 0; i -= 1) {
      const text = `before ${i}`;
      const answer = await chance.pick(clients).say('quick', session, text);
      assert.equal(answer.response, text);
      told.push([text, answer.user_message_id, answer.message_id]);
    }
    return told;
  }

  /** The stream of a client whose node dies: what it saw. */
  async function cutOff(live) {
    try {
      await live.end();
    } catch (error) {
      assert.match(error.message, /terminated|torn|no end frame|too early/);
    }
    return live.text;
  }

  /** What a viewer through the other node got: everything that is stored, and nothing else at its end. */
  function checkViewer(viewer, reply) {
    assert.equal(viewer.text, reply.content, 'the viewer ends with what is stored');
    assert.ok(SAID.startsWith(reply.content), 'a prefix of what was said');
    if (viewer.reset) {
      seen.resets += 1;
      assert.ok(viewer.replaced.startsWith(reply.content), 'only what was not stored is taken back');
    }
    if (reply.status === 'complete') {
      assert.equal(reply.content, SAID);
      assert.equal(viewer.last.finish_reason, 'stop');
    } else {
      assert.equal(reply.status, 'interrupted');
      assert.equal(viewer.last.code, 'interrupted');
    }
  }

  async function kill(number) {
    const chance = seeded(SEED + number);
    const [owner, other] = number % 2 ? cluster.nodes : [...cluster.nodes].reverse();
    const here = await owner.user();
    const there = through(other, here);
    await here.model(mock.url('echo=1'), { model_name: 'quick' });
    await here.model(mock.url(SLOW), { model_name: 'slow' });
    const session = `kill-${SEED}-${number}`;
    const told = await sayBefore(chance, [here, there], session);

    const byte = chance.between(1, SAID.length);
    const live = await here.open('slow', session, 'count');
    const viewer = await there.resume(session);
    viewer.lateResets = true;
    const ending = within(viewer.end(), 'the viewer gets an end');
    ending.catch(() => {});
    await live.until(() => live.text.length >= byte || live.last);
    await owner.kill();
    const text = await cutOff(live);
    // It comes back at once, or when its lease is over.
    const back = chance.pick([0, 0, 500, 2000]);
    const [next] = await Promise.all([
      there.say('quick', session, 'after'), ending, pause(back).then(() => owner.start()),
    ]);
    assert.equal(next.response, 'after');

    const rows = await chance.pick([here, there]).messages(session);
    assert.deepEqual(rows.map(({ content }) => content), [
      ...told.flatMap(([said]) => [said, said]), 'count', rows.at(-3)?.content, 'after', 'after',
    ], 'every turn once, in its order');
    told.forEach(([, question, reply], i) => {
      assert.deepEqual([rows[2 * i].id, rows[2 * i + 1].id, rows[2 * i + 1].status], [question, reply, 'complete']);
    });
    const reply = rows.at(-3);
    checkViewer(viewer, reply);
    assert.ok(text.startsWith(reply.content) || reply.content.startsWith(text), 'the client of the killed node saw the same');
    seen.kills += 1;
    if (reply.status === 'complete') seen.complete += 1;
    else if (reply.content) seen.stored += 1;
  }

  test(`${KILLS} times`, { timeout: HANG_MS + KILLS * 30_000 }, async (context) => {
    for (let number = 1; number <= KILLS; number += 1) {
      await kill(number).catch((error) => {
        error.message = `kill ${number} of seed ${SEED}: ${error.message}`;
        throw error;
      });
      if (number % 20 === 0) context.diagnostic(`${number} kills: ${JSON.stringify(seen)}`);
    }
    context.diagnostic(JSON.stringify(seen));
    const { name } = cluster.nodes[0].home.database;
    assert.equal(psql(name, `SELECT (SELECT count(*) FROM reply_chunks)
      + (SELECT count(*) FROM chat_sessions WHERE turn_node IS NOT NULL)`), '0', 'nothing is left behind');
  });
});
