// A reply goes on without a gap or a doubled character, whatever happens to the page and its connections.
import assert from 'node:assert/strict';
import nodeTest, { describe } from 'node:test';
import { eventually, pause, test } from '../e2e/support/limits.mjs';
import { Server } from '../e2e/support/server.mjs';
import { ask, composer, mine, replies, send, sessionId, settled } from './support/chat.mjs';
import { DISTURBANCES, randomNumbers, setVisible } from './support/disturbances.mjs';
import { withPage } from './support/suite.mjs';

const ROUNDS = process.env.LONG ? 100 : 10;
const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

const TEXT = Array.from({ length: 16 }, (_, i) => `${i} 潮水涨落🌊，edge “${'é'.repeat(i % 4)}”`).join(' ');
const TOLD = `text=hex:${Buffer.from(TEXT).toString('hex')},size=6,pace=10`;

/** What the page holds as the last reply, byte for byte: its copy button gives the source. */
async function copied(page) {
  await replies(page).last().getByRole('button', { name: 'Copy the message' }).click();
  return page.evaluate(() => navigator.clipboard.readText());
}

/** Looks at every frame of the screen: what is shown is the beginning of the text, also before the reply has ended (then
 * the page asks the server for it, and would hide a gap). A wrong text is told to the console, which fails the test. */
function watchText(text) {
  const look = () => {
    const shown = [...document.querySelectorAll('.message.assistant .markdown')].at(-1)?.textContent ?? '';
    if (!text.startsWith(shown)) console.error(`not the beginning of the text: ${shown}`);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

async function stored(client, id) {
  const { data } = await client.ok('GET', `/api/chat/sessions/${id}/messages`);
  return data;
}

const clipboard = { permissions: ['clipboard-read', 'clipboard-write'] };

describe('never lost', () => {
  const suite = withPage();

  nodeTest(`random disturbances, ${ROUNDS} times, seed ${SEED}`, { timeout: 60000 + ROUNDS * 15000 }, async () => {
    const random = randomNumbers(SEED);
    const { page, context, client, close } = await suite.open({ models: { tides: TOLD }, ...clipboard });
    await context.addInitScript(watchText, TEXT);
    await page.reload();
    const counts = {};
    const once = await honoursKeys(client);
    for (let round = 0; round < ROUNDS; round += 1) {
      const what = `round ${round}, seed ${SEED}`;
      await page.getByRole('button', { name: 'New chat' }).first().click();
      await send(page, `Round ${round}`);
      // Without keys a message whose answer is lost would be sent twice: then only the reply is disturbed.
      if (!once || random() < 0.5) await replies(page).last().locator('.markdown').waitFor();
      for (let i = 0; i < 3; i += 1) {
        await pause(random() * 200);
        const names = Object.keys(DISTURBANCES);
        const name = names[Math.floor(random() * names.length)];
        counts[name] = (counts[name] ?? 0) + 1;
        await DISTURBANCES[name]({ page, context, site: suite.site }, random);
      }
      await settled(page);
      await replies(page).last().getByRole('button', { name: 'Retry' }).waitFor();
      assert.equal(await copied(page), TEXT, what);
      const rows = await stored(client, sessionId(page));
      assert.deepEqual(rows.map((row) => row.content), [`Round ${round}`, TEXT], what);
      assert.equal(await mine(page).count(), 1, what);
    }
    console.log(`disturbances: ${JSON.stringify(counts)}`);
    await close();
  });

  test('a hidden page drops its stream, and goes on when it is shown', async () => {
    const { page, close } = await suite.open({ models: { tides: TOLD }, ...clipboard });
    await send(page, 'Hello');
    await replies(page).last().locator('.markdown').waitFor();
    await setVisible(page, false);
    const shown = await replies(page).last().innerText();
    await eventually(async () => (await suite.mock.stats()).streams_active === 0, 'the reply ends');
    assert.ok((await replies(page).last().innerText()).length <= shown.length + 40, 'nothing more came');
    await setVisible(page, true);
    await settled(page);
    assert.equal(await copied(page), TEXT);
    await close();
  });

  test('eight tabs with running replies, and the ninth can still ask', async () => {
    const { page, context, close } = await suite.open({ models: { long: 'tokens=2000,pace=20' } });
    const pages = [page];
    while (pages.length < 8) pages.push(await context.newPage());
    for (const tab of pages) {
      await tab.goto(suite.site.url);
      await send(tab, 'A long one');
      await replies(tab).getByText('tok1').waitFor();
      await setVisible(tab, false);
    }
    const ninth = await context.newPage();
    await ninth.goto(suite.site.url);
    await send(ninth, 'And one more');
    await replies(ninth).getByText('tok3').waitFor();
    await close();
  });

  test('another tab on the same session shows the same', async () => {
    const { page, context, close } = await suite.open({ models: { tides: TOLD }, ...clipboard });
    await ask(page, 'First');
    const other = await context.newPage();
    await other.goto(page.url());
    await replies(other).last().getByRole('button', { name: 'Retry' }).waitFor();
    await send(page, 'Second');
    await other.getByText('Second').first().waitFor();
    await Promise.all([settled(page), settled(other)]);
    await replies(other).nth(1).getByRole('button', { name: 'Retry' }).waitFor();
    assert.equal(await copied(other), TEXT);
    assert.equal(await mine(other).count(), 2);
    await close();
  });

  test('a draft and its files are kept', async () => {
    const { page, close } = await suite.open();
    await composer(page).fill('Half a thou');
    await page.setInputFiles('input[type=file]', { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('a') });
    await page.locator('.attachment.ready').waitFor();
    await page.reload();
    await page.locator('.attachment.ready').getByText('a.txt').waitFor();
    assert.equal(await composer(page).inputValue(), 'Half a thou');
    await close();
  });

  test('without a network the page says so, and sends when it is back', async () => {
    const { page, context, client, close } = await suite.open({ models: { tides: TOLD } });
    await ask(page, 'Before');
    await context.setOffline(true);
    await page.getByText('You are offline.').waitFor();
    await send(page, 'Written offline');
    await mine(page).getByText('Written offline').waitFor();
    await context.setOffline(false);
    await settled(page);
    const rows = await stored(client, sessionId(page));
    assert.deepEqual(rows.map((row) => row.content), ['Before', TEXT, 'Written offline', TEXT]);
    await close();
  });

  test('a message that was not confirmed is sent after a refresh', async () => {
    const { page, context, client, close } = await suite.open({ models: { tides: TOLD } });
    await ask(page, 'Before');
    await context.route('**/message/stream', (route) => route.abort());
    await send(page, 'Not confirmed');
    await page.getByText('The connection was lost.').waitFor();
    await context.unrouteAll();
    await page.reload();
    await mine(page).getByText('Not confirmed').waitFor();
    await settled(page);
    const rows = await stored(client, sessionId(page));
    assert.deepEqual(rows.map((row) => row.content), ['Before', TEXT, 'Not confirmed', TEXT]);
    await close();
  });

  test('a message whose answer was lost is stored once', async (t) => {
    const { page, client, close } = await suite.open({ models: { tides: TOLD } });
    if (!(await honoursKeys(client))) {
      await close();
      t.skip('the server does not heed Idempotency-Key of streams');
      return;
    }
    await ask(page, 'Before');
    suite.site.cutAnswers = 2;
    await send(page, 'Only once');
    await eventually(() => suite.site.cutAnswers === 0, 'answers were cut');
    await settled(page);
    const rows = await stored(client, sessionId(page));
    assert.deepEqual(rows.map((row) => row.content), ['Before', TEXT, 'Only once', TEXT]);
    await close();
  });
});

async function honoursKeys(client) {
  const id = `probe-${client.user.id}`;
  const body = { session_id: id, model_name: 'demo', message: 'Hi' };
  for (let i = 0; i < 2; i += 1) {
    const answer = await client.fetch('POST', '/api/chat/message/stream', body, { headers: { 'Idempotency-Key': id } });
    await answer.text();
  }
  return (await stored(client, id)).length === 2;
}

describe('a restart of the server', () => {
  const suite = withPage();

  test('in mid-stream: the text so far stays, and says why it ends', async () => {
    const { page, client, close } = await suite.open({ models: { long: 'tokens=5000,pace=10' }, ...clipboard });
    await send(page, 'A long one');
    await replies(page).getByText('tok250').waitFor();
    await suite.server.kill();
    await page.getByText('The connection was lost.').waitFor();
    suite.server = await new Server(suite.server.home, suite.server.port).start();
    await settled(page);
    await page.getByText(/stopped in the middle of this reply/).first().waitFor();
    const rows = await stored(client, sessionId(page));
    assert.equal(await copied(page), rows[1].content);
    assert.match(rows[1].content, /^tok0 tok1 /);
    await page.getByRole('button', { name: 'Retry' }).click();
    await replies(page).getByText('tok5').waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await settled(page);
    await close();
  });
});
