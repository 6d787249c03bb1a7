// Requests of all kinds while something is done to the server, and a look at every answer.
import assert from 'node:assert/strict';
import { eventually, pause } from './limits.mjs';

/** What a model that echoes roles says in a session's turn. */
export const roles = (turns) => ['system', ...Array(turns - 1).fill(['user', 'assistant']).flat(), 'user'].join(',');

/** Requests of all kinds, one every 20 ms, until `end` is called, which returns their answers. `more`
 * waits until so many more have been answered. */
export function traffic(talks) {
  const pending = [];
  let going = true;
  let answered = 0;
  const one = (n) => {
    const { user, model, session } = talks[n % talks.length];
    if (n % 3 === 0) return user.get('/api/chat/sessions').then(check((body) => body.data[0].SessionID === session));
    if (n % 3 === 1) {
      return user.get(`/api/chat/sessions/${session}/messages`).then(check((body) =>
        body.data.every((message) => message.role === 'user' || message.content === '' || message.content.endsWith(',user'))));
    }
    return user.post('/api/chat/message', { session_id: session, model_name: model, message: `m${n}` })
      .then(check((body) => /^system(,user,assistant)*,user$/.test(body.response))).then((answer) => {
        answer.turn = { session, response: answer.body?.response };
        return answer;
      });
  };
  /** An answer that is not right is none. */
  const check = (right) => (answer) =>
    (answer.status === 200 && !right(answer.body) ? { ...answer, status: 0 } : answer);
  const run = (async () => {
    const start = Date.now();
    for (let n = 0; going; n += 1) {
      pending.push(one(n).catch((error) => ({ status: 0, text: String(error) })).finally(() => { answered += 1; }));
      await pause(Math.max(0, start + 20 * (n + 1) - Date.now()));
    }
  })();
  return {
    more: (count) => {
      const enough = answered + count;
      return eventually(() => answered >= enough, `${count} more answers`);
    },
    async end() {
      going = false;
      await run;
      return Promise.all(pending);
    },
  };
}

/** All were answered, and rightly. */
export function assertAllServed(answers, least) {
  assert.ok(answers.length >= least, `${answers.length} requests`);
  const failed = answers.filter((answer) => answer.status !== 200);
  assert.deepEqual(failed.map((answer) => `${answer.status} ${answer.text}`), []);
  // Each turn of a session has one more before it: none was lost, none is there twice.
  const turns = {};
  for (const { turn } of answers) if (turn) (turns[turn.session] ??= []).push(turn.response);
  for (const responses of Object.values(turns)) {
    responses.sort((x, y) => x.length - y.length);
    assert.deepEqual(responses, responses.map((_, i) => roles(i + 1)));
  }
}
