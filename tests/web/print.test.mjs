// A chat on paper: all of it, without what is only for the screen.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe } from 'node:test';
import { test } from '../e2e/support/limits.mjs';
import { replies } from './support/chat.mjs';
import { SAMPLES } from './support/sample_conversations.mjs';
import { withPage } from './support/suite.mjs';

/** More than the page shows at once. */
const TURNS = 30;

const textOf = (pdf) => execFileSync('pdftotext', ['-layout', '-', '-'], { input: pdf, encoding: 'utf8' });

describe('printing', () => {
  const suite = withPage();

  test('a chat of many pages is whole, in order, with code and tables', async () => {
    const { page, client, close } = await suite.open({ models: { echo: null } });
    for (let i = 0; i < TURNS; i += 1) {
      suite.upstream.next = { text: `Answer number ${i}.\n\n${'The tide comes and goes. '.repeat(40)}\n\nEnd of answer ${i}.` };
      await client.say('echo', 'paper', `Question number ${i}`);
    }
    const [sample, code] = SAMPLES.en.turns;
    for (const turn of [sample, code]) {
      suite.upstream.next = turn;
      await client.say('echo', 'paper', turn.message);
    }
    await client.ok('PATCH', '/api/chat/sessions/paper', { title: 'A chat on paper' });
    await page.goto(`${suite.site.url}#/c/paper`);
    await page.reload();
    await page.locator('.hljs-keyword').first().waitFor();
    const printed = page.evaluate(() => new Promise((done) => { globalThis.print = done; }));
    await page.getByRole('button', { name: 'Print' }).click();
    await printed;
    assert.equal(await replies(page).count(), TURNS + 2);
    const text = textOf(await page.pdf({ format: 'A4' }));
    const pages = text.split('\f').length - 1;
    assert.ok(pages >= 5, `${pages} pages`);
    const marks = ['A chat on paper'];
    for (let i = 0; i < TURNS; i += 1) marks.push(`Question number ${i}\n`, `Answer number ${i}.`, `End of answer ${i}.`);
    marks.push('Bay of Fundy', 'M2_HOURS = 12.4206', 'Compare with a tide table before you sail.');
    let at = 0;
    for (const mark of marks) {
      const found = text.indexOf(mark, at);
      assert.ok(found >= 0, `${JSON.stringify(mark)} after ${at}`);
      at = found;
    }
    for (const hidden of ['Write a message', 'New chat', 'Retry']) assert.ok(!text.includes(hidden), hidden);
    await close();
  });
});
