// A client of a history: it talks through any node, reads through any node, and notes what it was told. It does
// not know which faults there are; what it gets is judged by check.mjs, but for answers that nobody may get.
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from '../../e2e/support/client.mjs';
import { SseReader } from '../../e2e/support/sse.mjs';

const GIVES_UP_MS = 20_000;
const TURNS_OF_SESSION = 25; // then the next one begins: a page has all of it

/** Answers that a fault explains, by status: what they say about the message. */
const REFUSED = new Set(['session_busy', 'too_many_replies', 'node_draining']);
const BEGUN = new Set(['interrupted', 'lease_lost']);
const EXPECTED = new Set([200, 409, 429, 502, 503, 504]);

export class History {
  #now = 0;
  operations = [];
  unexpected = []; // answers that no fault explains
  codes = {}; // how often each was told
  turns = new Map(); // session -> begun

  tick() { this.#now += 1; return this.#now; }

  begin(client, session, kind, more) {
    const operation = { client, session, kind, ...more, invoked: this.tick() };
    this.operations.push(operation);
    return operation;
  }

  end(operation, more) { Object.assign(operation, more, { completed: this.tick() }); }

  /** The code of an answer that is no success. */
  note(operation, status, body) {
    const code = body?.code ?? `status ${status}`;
    this.codes[code] = (this.codes[code] ?? 0) + 1;
    if (!EXPECTED.has(status) || !body?.code) this.unexpected.push({ ...operation, rows: undefined, status, body });
    return code;
  }
}

/** The client's words through each node; a node that was killed is talked to again at the same address. */
function clientsOf(user, nodes) {
  return nodes.map((node) => Object.assign(new Client(node.url), { token: user.token, user: user.user }));
}

export class HistoryClient {
  #count = 0;

  /** `user`: {client, models, sessions()}; `chance`: a seeded stream of its own. */
  constructor(name, user, nodes, history, chance) {
    Object.assign(this, { name, user, history, chance, clients: clientsOf(user.client, nodes) });
  }

  #options(more = {}) { return { signal: AbortSignal.timeout(GIVES_UP_MS), ...more }; }

  #text() {
    this.#count += 1;
    const length = this.chance.pick([0, 0, 3, 40]);
    return `${this.name}.${this.#count} ${Array.from({ length }, () => this.chance.pick(['tide', '潮', 'ebb', '🌊'])).join(' ')}.`;
  }

  #session() {
    const { user, history } = this;
    const open = user.sessions;
    const at = this.chance.below(open.length);
    const turns = (history.turns.get(open[at]) ?? 0) + 1;
    if (turns > TURNS_OF_SESSION) open[at] = user.newSession();
    history.turns.set(open[at], turns > TURNS_OF_SESSION ? 1 : turns);
    return open[at];
  }

  /** One attempt; whether the outcome is known. */
  async #send(operation, body, headers) {
    const { history } = this;
    const client = this.chance.pick(this.clients);
    try {
      if (operation.streamed) return await this.#stream(operation, client, body, headers);
      const answer = await client.post('/api/chat/message', body, this.#options({ headers }));
      if (answer.status === 200) {
        const { response, message_id: replyId, user_message_id: questionId } = answer.body;
        if (response !== operation.text) history.unexpected.push({ ...operation, body: answer.body });
        history.end(operation, { outcome: 'ok', replyId, questionId });
        return true;
      }
      return this.#failed(operation, answer.status, answer.body, headers);
    } catch (error) {
      return this.#broken(operation, error);
    }
  }

  async #stream(operation, client, body, headers) {
    const response = await client.fetch('POST', '/api/chat/message/stream', body, this.#options({ headers }));
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      const text = await response.text();
      return this.#failed(operation, response.status, text ? JSON.parse(text) : undefined, headers);
    }
    const reader = new SseReader(response);
    reader.lateResets = true;
    operation.reader = reader;
    await reader.end();
    const { last } = reader;
    const told = { replyId: last.message_id ?? reader.messageId, questionId: last.user_message_id };
    if (!last.error && last.finish_reason === 'stop') {
      if (reader.text !== operation.text) this.history.unexpected.push({ ...operation, body: reader.text });
      this.history.end(operation, { outcome: 'ok', ...told });
      return true;
    }
    return this.#failed(operation, 200, last, headers, told);
  }

  #failed(operation, status, body, headers, told = {}) {
    const code = this.history.note(operation, status, body);
    if (BEGUN.has(code)) this.history.end(operation, { outcome: 'begun', ...told });
    else if (REFUSED.has(code) && !headers && operation.attempts === 1) this.history.end(operation, { outcome: 'refused' });
    else return false;
    return true;
  }

  /** A connection that broke, an answer that did not come, or one that cannot be. */
  #broken(operation, error) {
    const isNetwork = error.name === 'TimeoutError' || error.name === 'AbortError' || error.cause?.code || error.message === 'terminated'
      || /^(torn|no end frame)/.test(error.message) || error.message === 'fetch failed';
    if (!isNetwork) this.history.unexpected.push({ ...operation, reader: undefined, error: error.stack });
    this.history.codes['no answer'] = (this.history.codes['no answer'] ?? 0) + 1;
    return false;
  }

  async append() {
    const { history, chance } = this;
    const session = this.#session();
    const text = this.#text();
    const operation = history.begin(this.name, session, 'append', {
      text, attempts: 0, streamed: chance.below(2) === 1,
    });
    // With a key a message that is streamed may be sent again until it is known what became of it.
    const headers = operation.streamed && chance.below(2) ? { 'Idempotency-Key': `${session}-${text.split(' ')[0]}` } : undefined;
    const body = { session_id: session, model_name: chance.pick(this.user.models), message: text };
    let isKnown = false;
    while (!isKnown && operation.attempts < (headers ? 4 : 1)) {
      if (operation.attempts > 0) await pause(chance.below(400));
      operation.attempts += 1;
      isKnown = await this.#send(operation, body, headers);
    }
    const seen = operation.reader?.messageId;
    delete operation.reader;
    if (!isKnown) history.end(operation, seen ? { outcome: 'begun', replyId: seen } : { outcome: 'unknown' });
  }

  /** Reads a session through a node; `last`: nothing runs any more. */
  async read(session = this.#readable(), last = false) {
    if (!session) return false;
    const { history } = this;
    const operation = history.begin(this.name, session, 'read', { last });
    try {
      const client = this.chance.pick(this.clients);
      const answer = await client.get(`/api/chat/sessions/${session}/messages?limit=100`, this.#options());
      if (answer.status === 200) history.end(operation, { rows: answer.body.data });
      else if (answer.body?.code === 'session_not_found') history.end(operation, { rows: [] });
      else history.note(operation, answer.status, answer.body);
    } catch (error) {
      this.#broken(operation, error);
    }
    return operation.completed !== undefined;
  }

  #readable() { return this.chance.pick(this.user.all); }

  /** Until `isOver`. */
  async run(isOver) {
    while (!isOver()) {
      if (this.chance.below(3) < 2) await this.append();
      else await this.read();
      await pause(this.chance.below(60));
    }
  }
}
