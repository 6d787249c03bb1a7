// Portkey's gateway as its package has it, with as many processes as the others have workers, and on the
// loopback address alone: its own program is one process, which listens on every address.
//
// usage: node portkey.mjs FOLDER WORKERS --port=PORT --headless      FOLDER has the node_modules
import cluster from 'node:cluster';
import { Server } from 'node:net';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, workers] = process.argv.slice(2);

if (cluster.isPrimary) {
  for (let i = 0; i < Number(workers); i += 1) cluster.fork();
} else {
  const { listen } = Server.prototype;
  Server.prototype.listen = function listenOnLoopback(port) { return listen.call(this, port, '127.0.0.1'); };
  await import(pathToFileURL(join(resolve(folder), 'node_modules/@portkey-ai/gateway/build/start-server.js')));
}
