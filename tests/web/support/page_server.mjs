// Serves web/dist as the server does, with the same headers, and passes everything else on to a tidetalk server. It can
// break connections at a given moment, which no browser can be told to do so exactly.
import { createServer, request } from 'node:http';
import { once } from 'node:events';
import { readFileSync, existsSync } from 'node:fs';
import { extname, join } from 'node:path';
import { ROOT } from '../../e2e/support/process.mjs';

const DIST = join(ROOT, 'web/dist');
/** The page is the server's own. */
const FROM_SERVER = process.env.PAGE_FROM === 'server';

export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
  + "connect-src 'self'; font-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
  + "require-trusted-types-for 'script'; trusted-types 'none'";

const IMAGE_FRAME_POLICY = "default-src 'none'; script-src 'self'; img-src https:; base-uri 'none'; form-action 'none'; "
  + "frame-ancestors 'self'; sandbox allow-scripts; require-trusted-types-for 'script'; trusted-types 'none'";

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

function serveFile(path, answer) {
  const file = join(DIST, path === '/' ? 'index.html' : path);
  if (path.includes('..') || !existsSync(file)) return false;
  answer.writeHead(200, {
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    'Content-Security-Policy': path.startsWith('/assets/image_frame-') ? IMAGE_FRAME_POLICY : POLICY,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': path === '/' ? 'no-cache' : 'public, max-age=31536000, immutable',
  });
  answer.end(readFileSync(file));
  return true;
}

export class PageServer {
  #server;
  #sockets = new Set();
  /** Called with each chunk of a proxied stream; true cuts the connection after it. */
  cut = () => false;
  /** So many answers to messages are lost before their first byte; the server has got the messages. */
  cutAnswers = 0;

  constructor(upstream, base) {
    this.upstream = new URL(upstream);
    this.base = base;
  }

  async start() {
    this.#server = createServer((asked, answer) => this.#handle(asked, answer));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${this.#server.address().port}${this.base}`;
    return this;
  }

  #handle(asked, answer) {
    const path = asked.url.split('?')[0];
    if (!path.startsWith(this.base)) {
      answer.writeHead(404).end();
      return;
    }
    const inside = `/${path.slice(this.base.length)}`;
    if (!FROM_SERVER && asked.method === 'GET' && !inside.startsWith('/api/') && serveFile(inside, answer)) return;
    this.#pass(asked, answer, `/${asked.url.slice(this.base.length)}`);
  }

  #pass(asked, answer, path) {
    const upstream = request({
      hostname: this.upstream.hostname, port: this.upstream.port, method: asked.method, path, headers: asked.headers,
    }, (got) => {
      if (this.cutAnswers > 0 && path.startsWith('/api/chat/message/stream')) {
        this.cutAnswers -= 1;
        upstream.destroy();
        answer.socket.destroy();
        return;
      }
      answer.writeHead(got.statusCode, got.headers);
      const isStream = (got.headers['content-type'] ?? '').startsWith('text/event-stream');
      got.on('data', (chunk) => {
        answer.write(chunk);
        if (isStream && this.cut(chunk)) answer.socket?.destroySoon();
      });
      got.on('end', () => answer.end());
      got.on('error', () => answer.socket?.destroy());
    });
    upstream.on('error', () => answer.socket?.destroy());
    answer.on('close', () => upstream.destroy());
    asked.pipe(upstream);
  }

  /** Ends all connections that there are. */
  dropAll() {
    for (const socket of this.#sockets) socket.destroy();
  }

  stop() {
    this.#server.close();
    this.dropAll();
  }
}
