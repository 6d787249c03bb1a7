// A client as pages are: fetch, JSON, Server-Sent Events read with eventsource-parser.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { HANG_MS, within } from './limits.mjs';
import { SseReader } from './sse.mjs';

export const PASSWORD = 'high-tide';

/** A name that no other test uses. */
export const uniqueName = (prefix = 'user') => `${prefix}-${randomBytes(6).toString('hex')}`;

export class Client {
  #apis = 0;

  constructor(url, { language = 'en' } = {}) {
    this.url = url;
    this.language = language;
    // Of its own: what one test's upstream does must not open another's breaker.
    this.apiKey = `sk-test-${randomBytes(8).toString('hex')}`;
  }

  headers(more = {}) {
    const headers = { 'Accept-Language': this.language };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    for (const [name, value] of Object.entries(more)) {
      if (value === null) delete headers[name];
      else headers[name] = value;
    }
    return headers;
  }

  /** The Response of fetch. An object is sent as JSON, a string or bytes as they are. */
  fetch(method, path, body, { headers, signal } = {}) {
    const plain = typeof body === 'string' || body instanceof Uint8Array;
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
    return within(fetch(this.url + path, {
      method,
      headers: this.headers({ ...type, ...headers }),
      body: plain || body === undefined ? body : JSON.stringify(body),
      redirect: 'manual',
      signal,
    }), `${method} ${path} is answered`);
  }

  /** {status, headers, text, body}: the body decoded when it is JSON. */
  async request(method, path, sent, options) {
    const response = await this.fetch(method, path, sent, options);
    const text = await within(response.text(), `${method} ${path} ends`);
    const json = response.headers.get('content-type')?.startsWith('application/json');
    const body = json && text ? JSON.parse(text) : undefined; // HEAD has the type and no body
    return { status: response.status, headers: response.headers, text, body };
  }

  get(path, options) { return this.request('GET', path, undefined, options); }
  post(path, body, options) { return this.request('POST', path, body, options); }
  put(path, body, options) { return this.request('PUT', path, body, options); }
  delete(path, options) { return this.request('DELETE', path, undefined, options); }

  /** The 200 answer's body. */
  async ok(method, path, body, options) {
    const answer = await this.request(method, path, body, options);
    assert.equal(answer.status, 200, `${method} ${path}: ${answer.text}`);
    return answer.body;
  }

  async register(username = uniqueName(), password = PASSWORD) {
    const body = await this.ok('POST', '/api/register', { username, password });
    this.token = body.token;
    this.user = body.user;
    this.password = password;
    return body;
  }

  /** Another login of the same user. */
  async again(password = this.password) {
    const other = new Client(this.url, { language: this.language });
    const body = await other.ok('POST', '/api/login', {
      username: this.user.username, password,
    });
    other.token = body.token;
    other.user = body.user;
    other.password = password;
    return other;
  }

  /** Stores a configuration with this address and returns its model's name. */
  async model(baseUrl, more = {}) {
    this.#apis += 1;
    const model = more.model_name ?? `model-${this.#apis}`;
    await this.ok('POST', '/api/user/apis', {
      api_name: `api-${this.#apis}`, api_key: this.apiKey, model_name: model,
      base_url: baseUrl, ...more,
    });
    return model;
  }

  /** Sends a message and returns the whole answer's body. */
  say(model, session, message, more = {}) {
    return this.ok('POST', '/api/chat/message', {
      session_id: session, model_name: model, message, ...more,
    });
  }

  /** Sends a message and returns an SseReader, or throws what the server answered instead. */
  async open(model, session, message, more = {}) {
    const response = await this.fetch('POST', '/api/chat/message/stream', {
      session_id: session, model_name: model, message, ...more,
    });
    return this.#reader(response, 0);
  }

  async #reader(response, after) {
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      const text = await response.text();
      throw Object.assign(new Error(`no stream: ${response.status} ${text}`), {
        status: response.status, headers: response.headers, text, body: text ? JSON.parse(text) : undefined,
      });
    }
    return new SseReader(response, after);
  }

  /** The same, read to its end. */
  async stream(model, session, message, more) {
    const reader = await this.open(model, session, message, more);
    await within(reader.end(), 'the stream ends', HANG_MS);
    return reader;
  }

  /** Comes back to a reply: an SseReader; `id` is that of a frame, absent = the reply in flight from its
   * begin. Throws what the server answered instead of a stream. */
  async resume(session, id, { query = false } = {}) {
    const path = `/api/chat/sessions/${session}/stream${query ? `?after=${id}` : ''}`;
    const headers = id && !query ? { 'Last-Event-ID': id } : {};
    const response = await this.fetch('GET', path, undefined, { headers });
    return this.#reader(response, id ? Number(id.split('.')[1]) : 0);
  }

  /** All messages of a session, oldest first. */
  async messages(session) {
    return (await this.ok('GET', `/api/chat/sessions/${session}/messages?limit=100`)).data;
  }
}
