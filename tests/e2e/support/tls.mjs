// Certificates made by openssl, and an HTTPS server that shows one and hands requests on.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { request as ask } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { makeFolder, removeFolder, run } from './process.mjs';

const CONFIG = `[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
`;

const time = (days) => `${new Date(Date.now() + days * 86400e3).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;

/** A certificate authority in a folder of its own; `file` is its certificate. */
export class Authority {
  #folder = makeFolder();

  static async make() {
    const authority = new Authority();
    authority.#write('openssl.cnf', CONFIG);
    authority.#write('index.txt', '');
    authority.#write('serial', '01\n');
    authority.file = join(authority.#folder, 'root.pem');
    await authority.#openssl('req', '-x509', ...authority.#newKey('root'), '-subj', '/CN=Test root',
      '-extensions', 'root', '-days', '30', '-out', 'root.pem');
    return authority;
  }

  #write(name, text) { writeFileSync(join(this.#folder, name), text); }
  #read(name) { return readFileSync(join(this.#folder, name), 'utf8'); }

  async #openssl(command, ...args) {
    const { code, stderr } = await run('openssl', [command, ...args], { cwd: this.#folder });
    assert.equal(code, 0, stderr);
  }

  #newKey(name) {
    return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`, '-config', 'openssl.cnf'];
  }

  /** {key, cert} for these names ("DNS:…,IP:…"), valid from `from` to `to` days from now. */
  async issue(name, names, { from = -1, to = 30 } = {}) {
    await this.#openssl('req', '-new', ...this.#newKey(name), '-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`,
      '-out', `${name}.csr`);
    await this.#openssl('ca', '-config', 'openssl.cnf', '-batch', '-notext', '-keyfile', 'root.key', '-cert', 'root.pem',
      '-startdate', time(from), '-enddate', time(to), '-in', `${name}.csr`, '-out', `${name}.pem`);
    return { key: this.#read(`${name}.key`), cert: this.#read(`${name}.pem`) };
  }

  /** The same, signed by nobody but itself. */
  async selfSign(name, names) {
    await this.#openssl('req', '-x509', ...this.#newKey(name), '-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`,
      '-days', '30', '-out', `${name}.pem`);
    return { key: this.#read(`${name}.key`), cert: this.#read(`${name}.pem`) };
  }

  remove() { removeFolder(this.#folder); }
}

/** An HTTPS server on the loopback that hands requests on to `origin`. `heads` are the headers of all
 * requests that came, `greeted` counts the connections on which a client began TLS. */
export async function startTlsProxy({ key, cert }, origin) {
  const heads = [];
  const proxy = { heads, greeted: 0 };
  const server = createServer({ key, cert }, (request, response) => {
    heads.push(request.headers);
    const onward = ask(origin + request.url, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  server.on('connection', () => { proxy.greeted += 1; });
  server.on('tlsClientError', () => {}); // whom it does not convince
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.url = (host, path = '/v1') => `https://${host}:${server.address().port}${path}`;
  proxy.stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return proxy;
}
