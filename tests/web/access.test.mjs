// For everybody: axe-core finds nothing, nothing is cut off at any width, what is announced are sentences.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe } from 'node:test';
import { test } from '../e2e/support/limits.mjs';
import { ask, composer, mine, replies, send, settled } from './support/chat.mjs';
import { SAMPLES } from './support/sample_conversations.mjs';
import { withPage } from './support/suite.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function assertAccessible(page, what) {
  const violations = await page.evaluate(async () => {
    const { violations: found } = await globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
    return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
  });
  assert.deepEqual(violations, [], what);
}

/** The page never scrolls sideways. */
async function assertFits(page, what) {
  const { width, inner } = await page.evaluate(() => ({ width: document.documentElement.scrollWidth, inner: innerWidth }));
  assert.ok(width <= inner, `${what}: ${width} in ${inner}`);
}

const VIEWS = [
  { colorScheme: 'light', viewport: { width: 1440, height: 900 } },
  { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
];

describe('for everybody', () => {
  const suite = withPage();

  for (const view of VIEWS) {
    test(`axe-core finds nothing, ${view.colorScheme}, ${view.viewport.width} px`, async () => {
      const opened = await suite.open({ models: { sample: null }, reducedMotion: 'reduce', bypassCSP: false, ...view });
      const { page, context } = opened;
      await context.addInitScript(AXE);
      await page.reload();
      await page.locator('.empty-state').waitFor();
      await assertAccessible(page, 'the empty state');
      for (const turn of SAMPLES.en.turns) {
        suite.upstream.next = turn;
        await ask(page, turn.message);
      }
      await page.locator('.hljs-keyword').first().waitFor();
      await page.locator('math').first().waitFor();
      await assertAccessible(page, 'a chat');
      await page.getByRole('button', { name: /^Model:/ }).click();
      await assertAccessible(page, 'an open menu');
      await page.keyboard.press('Escape');
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox').fill('tide');
      await page.locator('.hit-snippet').first().waitFor();
      await assertAccessible(page, 'the search');
      await page.keyboard.press('Escape');
      for (const section of ['models', 'look', 'usage', 'keys', 'account']) {
        await page.goto(`${suite.site.url}#/settings/${section}`);
        await page.locator('#settings-title').waitFor();
        await page.waitForLoadState('networkidle');
        await assertAccessible(page, section);
        await assertFits(page, section);
      }
      await context.clearCookies();
      await page.goto(suite.site.url);
      await page.reload();
      await page.locator('form.card').waitFor();
      await assertAccessible(page, 'signing in');
      await opened.close();
    });
  }

  test('from 320 px to 4K nothing is cut off', async () => {
    const { page, close } = await suite.open({ models: { sample: null } });
    suite.upstream.next = { text: `${SAMPLES.en.turns[0].text}\n\n${'a'.repeat(300)} \`${'b'.repeat(300)}\`` };
    await ask(page, 'c'.repeat(500));
    for (const width of [320, 480, 768, 1024, 1920, 3840]) {
      await page.setViewportSize({ width, height: width === 3840 ? 2160 : 700 });
      await assertFits(page, `${width} px`);
      const box = await composer(page).boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= width, `the composer at ${width} px`);
    }
    await close();
  });

  test('sentences are announced, not pieces of words', async () => {
    const { page, close } = await suite.open({ models: { talk: null } });
    suite.upstream.next = { text: 'The tide rises. The tide falls! 潮起潮落。And then', size: 2, pace: 15 };
    await page.evaluate(() => {
      const region = document.querySelector('[role=status][aria-live=polite]');
      globalThis.heard = [];
      new MutationObserver(() => globalThis.heard.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
    });
    await ask(page, 'Speak');
    await page.waitForFunction(() => globalThis.heard.at(-1)?.includes('End of the reply'));
    const heard = await page.evaluate(() => globalThis.heard.map((text) => text.trim()));
    assert.deepEqual(heard, ['The tide rises.', 'The tide falls!', '潮起潮落。', 'And then End of the reply.']);
    await close();
  });

  test('scrolling follows only at the bottom', async () => {
    const { page, close } = await suite.open({ models: { long: 'tokens=3000,pace=5' } });
    await send(page, 'A long one');
    await replies(page).getByText('tok600').waitFor();
    const fromBottom = () => page.evaluate(() => {
      const list = document.querySelector('.messages');
      return list.scrollHeight - list.scrollTop - list.clientHeight;
    });
    assert.ok(await fromBottom() < 60, 'it follows');
    await page.mouse.move(600, 300);
    await page.mouse.wheel(0, -400);
    await page.waitForFunction(() => {
      const list = document.querySelector('.messages');
      return list.scrollHeight - list.scrollTop - list.clientHeight > 200;
    });
    const top = () => page.evaluate(() => document.querySelector('.messages').scrollTop);
    const before = await top();
    await replies(page).getByText('tok900').waitFor();
    assert.equal(await top(), before, 'it stays where the reader is');
    await page.getByRole('button', { name: 'Go to the newest message' }).click();
    assert.ok(await fromBottom() < 60);
    await page.getByRole('button', { name: 'Stop' }).click();
    await settled(page);
    await close();
  });

  test('right-to-left text stands right', async () => {
    const { page, close } = await suite.open({ models: { talk: null } });
    suite.upstream.next = { text: 'المد والجزر مرتان في اليوم.' };
    await ask(page, 'كم مرة يحدث المد؟');
    for (const text of [mine(page).locator('.user-text'), replies(page).locator('.markdown p')]) {
      assert.equal(await text.evaluate((element) => getComputedStyle(element).direction), 'rtl');
    }
    await close();
  });
});
