// HTTP on a bare socket, for what fetch cannot do: leave in the middle, send what is not allowed,
// be sure of a new connection.
import { once } from 'node:events';
import { connect } from 'node:net';
import { within } from './limits.mjs';

export class RawConnection {
  received = '';
  ended = false;

  constructor(port) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.setEncoding('latin1'); // bytes, one a character
    this.socket.on('data', (text) => { this.received += text; });
    this.socket.on('error', () => {});
    this.closed = once(this.socket, 'close').then(() => { this.ended = true; }, () => { this.ended = true; });
  }

  send(text) {
    this.socket.write(text);
    return this;
  }

  /** Sends a request with a JSON body. */
  request(method, path, { token, headers = {}, body } = {}) {
    const text = body === undefined ? '' : JSON.stringify(body);
    const head = { Host: 'localhost', ...headers };
    if (token) head.Authorization = `Bearer ${token}`;
    if (body !== undefined) {
      head['Content-Type'] = 'application/json';
      head['Content-Length'] = Buffer.byteLength(text);
    }
    const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
    return this.send(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${text}`);
  }

  /** Waits until what was received satisfies this. */
  async until(satisfied, what = 'bytes of the answer') {
    const wait = async () => {
      while (!satisfied(this.received)) {
        if (this.ended) throw new Error(`closed too early: ${this.received.slice(-500)}`);
        await Promise.race([once(this.socket, 'data').catch(() => {}), this.closed]);
      }
    };
    await within(wait(), what);
    return this;
  }

  /** Leaves like a closed page: FIN. */
  close() { this.socket.destroy(); }

  /** Leaves like a pulled cable's end: RST. */
  reset() { this.socket.resetAndDestroy(); }
}

/** One request on a connection of its own: {status, headers, body}. Header names in lower case, those
 * that come more than once are arrays. */
export async function rawRequest(port, method, path, options = {}) {
  const connection = new RawConnection(port);
  connection.request(method, path, {
    ...options, headers: { Connection: 'close', ...options.headers },
  });
  await within(connection.closed, `${method} ${path} is answered and closed`);
  return parseAnswer(connection.received);
}

/** An answer as it came, which ends with its connection. */
export function parseAnswer(received) {
  const split = received.indexOf('\r\n\r\n');
  const [first, ...lines] = received.slice(0, split).split('\r\n');
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? [headers[name], value].flat() : value;
  }
  const body = Buffer.from(received.slice(split + 4), 'latin1').toString('utf8');
  return { status: Number(first.split(' ')[1]), headers, body };
}
