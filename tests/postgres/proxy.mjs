// Between a server and PostgreSQL: connections can be cut at a message of the protocol, refused, and
// left without an answer.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** The length of the first message in `bytes`, 0 = it is not whole; the first of a client has no type. */
function messageLength(bytes, first) {
  const head = first ? 0 : 1;
  if (bytes.length < head + 4) return 0;
  const length = head + bytes.readUInt32BE(head);
  return bytes.length >= length ? length : 0;
}

/** {port, cut, cutWriterAt, disarm, isOpen, frozen, lost, stop}. The writer's connection is that on which
 * BEGIN was prepared. `frozen` is 'writer' or 'reader': a connection of these that gets an answer
 * (`lost` counts them) hears nothing any more, not even its end, as if the other side were gone. */
export async function startDatabaseProxy(target) {
  const pairs = new Set();
  const proxy = { isOpen: true, frozen: undefined, cuts: 0, lost: 0 };
  let armed; // {from: 'client' | 'server', left, pass}

  const end = (pair) => {
    pair.near.destroy();
    pair.far.destroy();
    pairs.delete(pair);
  };

  /** Passes on whole messages only, so that a cut is between two of them. */
  const relay = (pair, from, source, target_) => {
    let rest = Buffer.alloc(0);
    let first = from === 'client';
    source.setNoDelay(); // messages are passed on one by one
    source.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (let length; (length = messageLength(rest, first)) > 0;) {
        const message = rest.subarray(0, length);
        rest = rest.subarray(length);
        first = false;
        if (from === 'client' && message.includes('tidetalk_begin')) pair.isWriter = true;
        if (armed && pair.isWriter && armed.from === from && (armed.left -= 1) === 0) {
          const { pass } = armed;
          armed = undefined;
          proxy.cuts += 1;
          if (pass) target_.write(message, () => end(pair));
          else end(pair);
          return;
        }
        const kind = pair.isWriter ? 'writer' : 'reader';
        if (from === 'server' && proxy.frozen === kind) {
          pair.isSilent = true;
          proxy.lost += 1;
        }
        if (from === 'client' || !pair.isSilent) target_.write(message);
      }
    });
    source.on('error', () => end(pair));
    source.on('close', () => {
      if (from === 'client' || !pair.isSilent) end(pair);
    });
  };

  const server = createServer((near) => {
    if (!proxy.isOpen) {
      near.destroy();
      return;
    }
    const pair = { near, far: connect(target, '127.0.0.1'), isWriter: false, isSilent: false };
    pairs.add(pair);
    relay(pair, 'client', near, pair.far);
    relay(pair, 'server', pair.far, near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.port = server.address().port;
  /** Cuts all connections now. */
  proxy.cut = () => { for (const pair of [...pairs]) end(pair); };
  /** Cuts the writer's connection at its `number`-th message from now on, which still arrives (`pass`). */
  proxy.cutWriterAt = (from, number, pass) => { armed = { from, left: number, pass }; };
  proxy.disarm = () => { armed = undefined; };
  proxy.stop = async () => {
    server.close();
    proxy.cut();
    await once(server, 'close');
  };
  return proxy;
}
