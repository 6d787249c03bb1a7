// How fast the page is: prints numbers, asserts none of them (docs/page.md has those of one machine).
import assert from 'node:assert/strict';
import nodeTest, { describe } from 'node:test';
import { HANG_MS } from '../e2e/support/limits.mjs';
import { composer, replies, send, settled } from './support/chat.mjs';
import { SAMPLES } from './support/sample_conversations.mjs';
import { withPage } from './support/suite.mjs';

const MESSAGES = process.env.LONG ? 10000 : 1000;
const TOKENS = 20000;

const words = (count) => Array.from({ length: count }, (_, i) => `tok${i} `).join('');

/** About so many tokens of four characters. */
function repeated(text) {
  return `${text}\n\n`.repeat(Math.ceil((4 * TOKENS) / text.length));
}

const SHAPES = {
  'Markdown of all kinds': repeated(SAMPLES.en.turns.map((turn) => turn.text).join('\n\n')).replaceAll('[^1]', ''),
  'Chinese prose': repeated('潮水每天涨落两次，月球的引力把海水拉成两个隆起；**大潮**出现在朔望前后。'),
  'one paragraph': words(TOKENS),
  'one list': Array.from({ length: TOKENS / 10 }, (_, i) => `${i + 1}. The tide comes and goes; this is line ${i + 1}.`).join('\n'),
  'one block of code': `\`\`\`js\n${Array.from({ length: TOKENS / 10 }, (_, i) => `const tide${i} = height(${i}, 2.0); // metres`).join('\n')}\n\`\`\``,
};

/**
 * Watches tasks over 50 ms and how long keys take until they are painted: with the wait for the screen's next frame,
 * which alone is up to 16.7 ms, and the page's own work in it.
 */
function watchTasks() {
  globalThis.tasks = [];
  globalThis.keys = [];
  globalThis.works = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) globalThis.tasks.push(Math.round(entry.duration));
  }).observe({ type: 'longtask' });
  document.addEventListener('keydown', (event) => {
    const begun = event.timeStamp;
    const handled = performance.now();
    requestAnimationFrame(() => {
      const frame = performance.now();
      // An ordinary task may have to wait for the next frame as well.
      globalThis.scheduler.postTask(() => {
        globalThis.keys.push(performance.now() - begun);
        globalThis.works.push(performance.now() - frame + handled - begun);
      }, { priority: 'user-blocking' });
    });
  }, true);
}

const summary = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (share) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(1) : '-');
  return `p50 ${at(0.5)} p95 ${at(0.95)} max ${at(1)}`;
};

async function typed(page) {
  const { keys, works } = await page.evaluate(() => ({ keys: globalThis.keys, works: globalThis.works }));
  return `a key until it is painted, ms: ${summary(keys)}; the page's work in that: ${summary(works)}`;
}

const test = (name, body) => nodeTest(name, { timeout: 4 * HANG_MS }, body);

describe('speed', () => {
  const suite = withPage();

  test('typing while nothing else happens', async () => {
    const { page, context, close } = await suite.open();
    await context.addInitScript(watchTasks);
    await page.reload();
    await composer(page).waitFor();
    for (let i = 0; i < 300; i += 1) await composer(page).press('a');
    console.log(`nothing else: ${await typed(page)}`);
    await close();
  });

  for (const [shape, text] of Object.entries(SHAPES)) {
    test(`a reply of 20,000 tokens: ${shape}`, async () => {
      const { page, context, close } = await suite.open({ models: { long: null } });
      await context.addInitScript(watchTasks);
      await page.reload();
      await composer(page).waitFor();
      suite.upstream.next = { text, size: 40, pace: 2 };
      await send(page, 'Tell me everything');
      await replies(page).first().locator('.markdown').waitFor();
      const begun = Date.now();
      while (await page.locator('.send-button.stop').count()) {
        await composer(page).press('a');
        if (Date.now() - begun > 3 * HANG_MS) throw new Error('the reply does not end');
      }
      await settled(page);
      const tasks = await page.evaluate(() => globalThis.tasks);
      console.log(`${shape}: ${text.length} characters in ${((Date.now() - begun) / 1000).toFixed(1)} s; `
        + `tasks over 50 ms: ${tasks.length ? tasks.join(' ') : 'none'}; ${await typed(page)}`);
      const shown = await replies(page).first().locator('.markdown').first().textContent();
      assert.ok(shown.length > text.length / 2);
      await close();
    });
  }

  test(`a session of ${MESSAGES} messages`, async () => {
    const { page, client, context, close } = await suite.open({ models: { short: 'tokens=40' } });
    for (let i = 0; i < MESSAGES / 2; i += 1) await client.say('short', 'many', `Message ${i}`);
    await context.addInitScript(watchTasks);
    await page.goto(`${suite.site.url}#/`);
    await page.reload();
    await page.locator('.session').getByText('Message 0').waitFor();
    const opened = await page.evaluate(() => new Promise((done) => {
      const begun = performance.now();
      new MutationObserver((_, observer) => {
        if (!document.querySelector('.message:last-child .markdown')) return;
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
      }).observe(document.body, { childList: true, subtree: true });
      document.querySelector('.session a').click();
    }));
    const scrolled = await page.evaluate(async () => {
      const list = document.querySelector('.messages');
      const frames = [];
      let last = performance.now();
      for (let i = 0; i < 240; i += 1) {
        list.scrollTop = Math.max(0, list.scrollTop - 400);
        const now = await new Promise((done) => { requestAnimationFrame(done); });
        frames.push(now - last);
        last = now;
      }
      return { frames, elements: document.querySelectorAll('.message').length };
    });
    console.log(`${MESSAGES} messages: open after ${opened.toFixed(0)} ms; scrolling up through them, frame ms: `
      + `${summary(scrolled.frames)}; messages in the page: ${scrolled.elements}`);
    await page.getByRole('button', { name: 'Go to the newest message' }).click();
    await page.locator('.message').last().getByRole('button', { name: 'Retry' }).waitFor();
    await close();
  });

  test('pasting 1 MB', async () => {
    const { page, context, close } = await suite.open();
    await context.addInitScript(watchTasks);
    await page.reload();
    await composer(page).waitFor();
    const took = await composer(page).evaluate(async (element) => {
      const data = new DataTransfer();
      data.setData('text/plain', 'tide '.repeat(200000));
      const begun = performance.now();
      element.dispatchEvent(new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: data }));
      await new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); });
      return performance.now() - begun;
    });
    await page.locator('.attachment.ready').waitFor();
    console.log(`pasting 1 MB: ${took.toFixed(0)} ms until the next frame; tasks over 50 ms: `
      + `${(await page.evaluate(() => globalThis.tasks)).join(' ') || 'none'}`);
    await close();
  });

  test('the first load', async () => {
    const { page, close } = await suite.open();
    await page.reload();
    await composer(page).waitFor();
    // It is in the document before it is painted.
    const paint = await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
    const ready = await paint.jsonValue();
    const timing = await page.evaluate(() => ({
      files: performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/assets/')).length,
    }));
    console.log(`the first load: first paint after ${ready.toFixed(0)} ms, ${timing.files} files`);
    await close();
  });
});
