// The network between two programs: a proxy on loopback whose connections can be cut, refused, and left
// without a word in both directions, as when packets are lost.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** {port, target, set(mode), cut, cutAt, cuts, stop}: a connection that sends the text `cutAt` is cut, `cuts` counts
 * these. Modes:
 *  'open'    everything passes, `delay` ms late
 *  'closed'  what is connected is cut, and new connections are refused
 *  'silent'  nothing passes in either direction until it is open again; ends are not told either */
export async function startProxy(target) {
  const pairs = new Set();
  const proxy = { target, mode: 'open', delay: 0, cutAt: undefined, cuts: 0 };

  const end = (pair) => {
    if (!pairs.delete(pair)) return;
    pair.near.destroy();
    pair.far?.destroy();
  };

  /** What comes from `source` goes to `sink` in its order, once the network lets it. */
  const relay = (pair, source, sink) => {
    const waiting = []; // {due, act}
    let timer;
    const goOn = () => {
      timer = undefined;
      while (waiting.length > 0 && proxy.mode !== 'silent' && waiting[0].due <= Date.now()) waiting.shift().act();
      if (waiting.length > 0 && proxy.mode !== 'silent') timer = setTimeout(goOn, waiting[0].due - Date.now());
    };
    const add = (act) => {
      waiting.push({ due: Date.now() + proxy.delay, act });
      if (!timer) goOn();
    };
    pair.goOn.push(() => { if (!timer) goOn(); });
    source.setNoDelay();
    source.unref();
    source.on('data', (chunk) => {
      if (proxy.cutAt && chunk.includes(proxy.cutAt)) {
        proxy.cuts += 1;
        end(pair);
      }
      add(() => { if (!sink.destroyed) sink.write(chunk); });
    });
    source.on('error', () => {});
    source.on('close', () => add(() => sink.destroySoon()));
  };

  const open = (pair) => {
    pair.far = connect(proxy.target, '127.0.0.1');
    relay(pair, pair.near, pair.far);
    relay(pair, pair.far, pair.near);
    pair.far.on('close', () => { if (pair.near.destroyed) pairs.delete(pair); });
    pair.near.on('close', () => { if (pair.far.destroyed) pairs.delete(pair); });
  };

  const server = createServer((near) => {
    near.on('error', () => {});
    if (proxy.mode === 'closed') {
      near.destroy();
      return;
    }
    const pair = { near, goOn: [] };
    near.unref();
    pairs.add(pair);
    if (proxy.mode === 'open') open(pair);
    else pair.goOn.push(() => { if (!pair.far) open(pair); });
  });
  server.unref(); // a test that fails must end all the same; who waits for something has a timer
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.port = server.address().port;
  proxy.cut = () => { for (const pair of [...pairs]) end(pair); };
  proxy.set = (mode) => {
    proxy.mode = mode;
    if (mode === 'closed') proxy.cut();
    if (mode !== 'open') return;
    for (const pair of [...pairs]) for (const goOn of [...pair.goOn]) goOn();
  };
  proxy.stop = async () => {
    server.close();
    proxy.cut();
    await once(server, 'close');
  };
  return proxy;
}
