// A proxy that passes every byte on alone, in both directions: whatever a peer relies on to come in one
// piece does not. With TEST_TCP=bytes it stands before every server and every upstream of a test file.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after } from 'node:test';

const wanted = process.env.TEST_TCP === 'bytes';
const open = new Set(); // proxies and sockets, which would keep the process alive
if (wanted) after(() => open.forEach((one) => (one.destroy ?? one.close).call(one)));

/** Each byte in a segment of its own: a write, and then another turn of the loop. */
function writeBytes(to, piece, at, done) {
  if (at === piece.length || to.destroyed) {
    done();
    return;
  }
  to.write(piece.subarray(at, at + 1), () => writeBytes(to, piece, at + 1, done));
}

/** A reset for the peer. A socket that was told to end refuses one, and its handle, which then stays
 * open, keeps Node 20 busy for ever at its exit. */
function reset(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** A slow receiver holds the sender back. What came before an end or a reset arrives before it. */
function passOn(from, to) {
  let writing = false;
  let end = null; // how `to` ends when all is written
  const endBy = (how) => {
    end ??= how;
    if (!writing) end(to);
  };
  from.on('data', (piece) => {
    from.pause();
    writing = true;
    writeBytes(to, piece, 0, () => {
      writing = false;
      if (end) end(to);
      else from.resume();
    });
  });
  from.on('end', () => endBy((socket) => socket.end()));
  from.on('error', () => endBy(reset));
  from.on('close', () => {
    open.delete(from);
    endBy(reset);
  });
}

async function startProxy(port) {
  const proxy = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const server = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    open.add(client).add(server);
    passOn(client, server);
    passOn(server, client);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  open.add(proxy);
  return proxy.address().port;
}

/** The port of a proxy before this one, or the port itself. */
export const maybeInBytes = (port) => (wanted ? startProxy(port) : port);
