// An HTTP proxy (CONNECT) and a SOCKS 5 proxy. Names lead where `hosts` says: "name:port" -> port
// on the loopback; all others are refused. `asked` has what was asked for, as it was written.
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';

const listening = async (server) => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
};

const join = (one, other) => {
  for (const [from, to] of [[one, other], [other, one]]) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
};

const stopper = (server, sockets) => async () => {
  server.close();
  for (const socket of sockets) socket.destroy();
  await once(server, 'close');
};

const collect = (server, sockets) => server.on('connection', (socket) => {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
  socket.on('error', () => socket.destroy());
});

/** `credentials` "user:password": others get 407. Requests that are no CONNECT are in `plain`. */
export async function startHttpProxy({ credentials } = {}) {
  const proxy = { asked: [], plain: [], hosts: {} };
  const sockets = new Set();
  const server = createHttpServer((request, response) => {
    proxy.plain.push(request.url);
    response.writeHead(405).end();
  });
  server.on('connect', (request, socket, head) => {
    proxy.asked.push(request.url);
    const wanted = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
    if (wanted && request.headers['proxy-authorization'] !== wanted) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    const port = proxy.hosts[request.url];
    if (!port) {
      socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      join(socket, onward);
    });
    onward.on('error', () => socket.destroy());
  });
  collect(server, sockets);
  const port = await listening(server);
  proxy.address = `127.0.0.1:${port}`;
  proxy.url = `http://${credentials ? `${credentials}@` : ''}${proxy.address}`;
  proxy.stop = stopper(server, sockets);
  return proxy;
}

/** The next `count` bytes of a socket. */
async function read(socket, count) {
  for (;;) {
    const bytes = socket.read(count);
    if (bytes) return bytes;
    await once(socket, 'readable');
  }
}

async function greet(socket, credentials) {
  const [, methods] = await read(socket, 2);
  await read(socket, methods);
  socket.write(Buffer.from([5, credentials ? 2 : 0]));
  if (!credentials) return true;
  const [, length] = await read(socket, 2);
  const user = await read(socket, length);
  const [size] = await read(socket, 1);
  const password = await read(socket, size);
  const good = `${user}:${password}` === credentials;
  socket.write(Buffer.from([1, good ? 0 : 1]));
  return good;
}

/** Names only are in `asked` as "name:port"; addresses as "ip:a.b.c.d:port". */
export async function startSocksProxy({ credentials } = {}) {
  const proxy = { asked: [], hosts: {} };
  const sockets = new Set();
  const serve = async (socket) => {
    if (!await greet(socket, credentials)) {
      socket.end();
      return;
    }
    const [, , , kind] = await read(socket, 4);
    const host = kind === 3 ? (await read(socket, (await read(socket, 1))[0])).toString()
      : `ip:${[...await read(socket, kind === 1 ? 4 : 16)].join('.')}`;
    const asked = `${host}:${(await read(socket, 2)).readUInt16BE()}`;
    proxy.asked.push(asked);
    const answer = (code) => socket.write(Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]));
    const port = proxy.hosts[asked];
    if (!port) {
      answer(4);
      socket.end();
      return;
    }
    const onward = connect(port, '127.0.0.1', () => {
      answer(0);
      join(socket, onward);
    });
    onward.on('error', () => socket.destroy());
  };
  const server = createServer((socket) => { serve(socket).catch(() => socket.destroy()); });
  collect(server, sockets);
  const port = await listening(server);
  proxy.address = `127.0.0.1:${port}`;
  proxy.url = `socks5h://${credentials ? `${credentials}@` : ''}${proxy.address}`;
  proxy.stop = stopper(server, sockets);
  return proxy;
}
