// What an attacker does in the section for fairness, as a process of its own, until it is ended:
// fair_attacks.mjs NAME, with FAIR_SERVER and FAIR_MOCK. Says "ready" when it has begun. Refusals are
// expected, and waited out only as long as a program that knows no manners would.
import { createSocket } from 'node:dgram';
import { pathToFileURL } from 'node:url';
import { Client, uniqueName } from '../e2e/support/client.mjs';
import { pause } from '../e2e/support/limits.mjs';
import { RawConnection } from '../e2e/support/raw.mjs';
import { field, file, form, send } from '../e2e/support/upload.mjs';

/** As many at once, each again and again. */
const loops = (count, body) => Promise.all(Array.from({ length: count }, async (_, i) => {
  for (;;) {
    await Promise.resolve(body(i)).catch(() => {});
    await pause(1);
  }
}));

async function attacker() {
  const user = new Client(process.env.FAIR_SERVER);
  await user.register();
  return user;
}

const mock = (scenario) => `${process.env.FAIR_MOCK}/${scenario}/v1`;

/** Opens a stream and reads it to its end, without looking at it. */
async function drain(user, model, session = uniqueName('a')) {
  const response = await user.fetch('POST', '/api/chat/message/stream',
    { session_id: session, model_name: model, message: 'go on' });
  for await (const piece of response.body) void piece;
}

/** A page on which a program for PDFs works for seconds. */
function slowPdf() {
  const line = '(tide) Tj 1 0 0 1 0 -1 cm\n';
  const content = `BT /F1 8 Tf 72 700 Td\n${line.repeat(Math.floor((8 << 20) / line.length))}ET`;
  return `%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n`
    + '3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>endobj\n'
    + `4 0 obj<</Length ${content.length}>>\nstream\n${content}\nendstream endobj\n`
    + '5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n';
}

/** name -> what is prepared; it returns what is then done. */
export const ATTACKS = {
  '64 streams of one user': async () => {
    const user = await attacker();
    const model = await user.model(mock('tokens=20000,size=32,pace=2'));
    return () => loops(64, () => drain(user, model));
  },
  '2,000 streams asked for': async () => { // all but 64 are refused
    const user = await attacker();
    const model = await user.model(mock('tokens=20000,size=32,pace=2'));
    return () => loops(2000, () => drain(user, model));
  },
  '8 floods of one-byte events': async () => {
    const user = await attacker();
    const model = await user.model(mock('tokens=1000000,size=1'));
    return () => loops(8, () => drain(user, model));
  },
  '8 MB indexed and deleted': async () => {
    const user = await attacker();
    const model = await user.model(mock('tokens=2000,size=4000'));
    return () => loops(1, async () => {
      const session = uniqueName('a');
      await drain(user, model, session);
      await user.delete(`/api/chat/sessions/${session}`);
    });
  },
  '5 searches of long messages': async () => {
    const user = await attacker();
    const model = await user.model(mock('tokens=2000,size=4000'));
    for (let i = 0; i < 3; i += 1) await drain(user, model);
    return () => loops(5, () => user.get('/api/chat/search?q=tok1%20tok2'));
  },
  '6 slow PDFs': async () => {
    const user = await attacker();
    const session = (await user.ok('POST', '/api/chat/session', { model_name: 'demo' })).session_id;
    const body = form(field('session_id', session), file('a.pdf', slowPdf()));
    return () => loops(6, () => send(user, body));
  },
  '40 silent names': async () => {
    const user = await attacker();
    createSocket('udp4').bind(53, process.env.FAIR_NAMESERVER).unref();
    return () => loops(40, async () => {
      const model = await user.model(`https://${uniqueName('n')}.example.org/v1`, { api_name: uniqueName('a'), model_name: uniqueName('m') });
      await user.say(model, uniqueName('a'), 'hi');
    });
  },
  '200 logins at once': async () => {
    const user = await attacker();
    return () => loops(200, (i) =>
      user.post('/api/login', { username: i % 2 ? uniqueName('nobody') : user.user.username, password: uniqueName('guess') }));
  },
  '200 registrations at once': async () => () => loops(200, () =>
    new Client(process.env.FAIR_SERVER).post('/api/register', { username: uniqueName('mass'), password: uniqueName('word') })),
  '8 logins of 1 MiB, unknown members': async () => {
    const body = { username: 'aaa', password: 'bbbbbbb', x: Array.from({ length: 300_000 }, () => []) };
    return () => loops(8, () => new Client(process.env.FAIR_SERVER).post('/api/login', body));
  },
  '60 connections that do not read': async () => {
    const user = await attacker();
    const session = uniqueName('a');
    for (let i = 0; i < 12; i += 1) await user.say('demo', session, `/help ${'sea '.repeat(230000)}`);
    return () => loops(60, async () => {
      const connection = new RawConnection(Number(new URL(process.env.FAIR_SERVER).port));
      connection.socket.pause();
      connection.request('GET', `/api/chat/sessions/${session}/messages?limit=100`, { token: user.token });
      await pause(2000);
      connection.close();
    });
  },
};

/** Uses this part of a core. */
async function burn(part) {
  for (;;) {
    const end = performance.now() + 20 * part;
    while (performance.now() < end);
    await pause(20 * (1 - part));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [name, part] = process.argv.slice(2);
  const begin = name === 'burn' ? () => burn(Number(part)) : await ATTACKS[name]();
  console.log('ready');
  await begin();
}
