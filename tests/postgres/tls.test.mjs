// TLS to PostgreSQL: sslmode=verify-full with a certificate authority of one's own, a wrong authority
// and a wrong name refused with a clear text, the password from a file.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { HANG_MS, test } from '../e2e/support/limits.mjs';
import { freePort, makeFolder, removeFolder } from '../e2e/support/process.mjs';
import { Server, makeHome } from '../e2e/support/server.mjs';
import { Cluster } from './cluster.mjs';

const HOST = 'db.example';

function openssl(...words) {
  const { status, stderr } = spawnSync('openssl', words, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/** An authority, <name>.crt and .key. */
function makeAuthority(folder, name) {
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', `/CN=${name}`, '-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`));
}

/** A certificate for HOST: [certificate, key] of `folder`. */
function makeCertificate(folder, authority) {
  const at = (name) => join(folder, name);
  writeFileSync(at('names'), `subjectAltName=DNS:${HOST}`);
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${HOST}`,
    '-keyout', at('server.key'), '-out', at('server.csr'));
  openssl('x509', '-req', '-in', at('server.csr'), '-CA', at(`${authority}.crt`), '-CAkey', at(`${authority}.key`), '-CAcreateserial',
    '-days', '2', '-extfile', at('names'), '-out', at('server.crt'));
}

describe('TLS to PostgreSQL', () => {
  const folder = makeFolder();
  const at = (name) => join(folder, name);
  let cluster;

  before(async () => {
    for (const name of ['authority', 'another']) makeAuthority(folder, name);
    makeCertificate(folder, 'authority');
    cluster = await Cluster.make();
    for (const name of ['server.crt', 'server.key']) cluster.copy(at(name), name);
    cluster.configure(['ssl = on', `ssl_cert_file = '${join(cluster.folder, 'server.crt')}'`,
      `ssl_key_file = '${join(cluster.folder, 'server.key')}'`]);
    cluster.write('data/pg_hba.conf', 'hostssl all all 127.0.0.1/32 scram-sha-256\n');
    await cluster.start();
    writeFileSync(at('pgpass'), `${HOST}:*:*:tidetalk:${cluster.password}\n`, { mode: 0o600 });
    writeFileSync(at('open'), `${HOST}:*:*:tidetalk:${cluster.password}\n`, { mode: 0o644 });
  }, { timeout: HANG_MS });
  after(async () => {
    await cluster?.remove();
    removeFolder(folder);
  });

  const urlOf = (more) => `postgres://tidetalk@${more.host ?? HOST}:${cluster.port}/postgres?${new URLSearchParams({
    hostaddr: '127.0.0.1', sslmode: 'verify-full', sslrootcert: at('authority.crt'), passfile: at('pgpass'), ...more.settings,
  })}`;

  test('every connection is encrypted; the password stands in a file', async () => {
    const port = await freePort();
    const home = makeHome({ port, env: { TIDETALK_DATABASE_URL: urlOf({}) } });
    const server = await new Server(home, port).start();
    const user = await server.user();
    assert.equal((await user.get('/api/chat/sessions')).status, 200);
    const [encrypted, plain] = cluster.sql(`SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl
      JOIN pg_stat_activity USING (pid) WHERE application_name = 'tidetalk'`).split('|').map(Number);
    assert.ok(encrypted >= 2, `${encrypted} connections`);
    assert.equal(plain, 0);
    await server.stop();
    home.remove();
  });

  for (const [what, more, message] of [
    ['a certificate of another authority', { settings: { sslrootcert: 'another.crt' } }, /SSL error: certificate verify failed/],
    ['a certificate for another name', { host: 'other.example' },
      /server certificate for "db\.example" does not match host name "other\.example"/],
    ['no certificate of an authority', { settings: { sslrootcert: 'missing.crt' } }, /root certificate file ".*missing\.crt" does not exist/],
    ['a connection without TLS', { settings: { sslmode: 'disable' } }, /no pg_hba\.conf entry for host "127\.0\.0\.1".*no encryption/],
    ['a password in a file that others can read', { settings: { passfile: 'open' } }, /fe_sendauth: no password supplied/],
  ]) {
    test(`${what} is refused, and the start says why`, async () => {
      const settings = Object.fromEntries(Object.entries(more.settings ?? {})
        .map(([name, value]) => [name, name === 'sslmode' ? value : at(value)]));
      const home = makeHome({ env: { TIDETALK_DATABASE_URL: urlOf({ ...more, settings }) } });
      await assert.rejects(new Server(home, 0).start(), (error) => {
        assert.match(error.message, message);
        assert.ok(!error.message.includes(cluster.password));
        return true;
      });
      home.remove();
    });
  }
});
