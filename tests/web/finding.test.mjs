// Finding one's way: old messages, a page below a path, another language, another user.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from '../e2e/support/limits.mjs';
import { ask, composer, mine, replies, settled } from './support/chat.mjs';
import { withPage } from './support/suite.mjs';

describe('finding', () => {
  const suite = withPage();

  test('an old message opens where it stands, and the way on leads to the newest', async () => {
    const { page, client, close } = await suite.open({ models: { echo: 'echo=1' } });
    for (let i = 0; i < 90; i += 1) await client.say('echo', 'long', i === 20 ? 'the barnacle of old' : `message ${i}`);
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox').fill('barnacle');
    await page.getByRole('option').filter({ hasText: 'barnacle' }).last().click();
    const found = page.locator('.message.found');
    await found.getByText('the barnacle of old').waitFor();
    assert.ok(await found.evaluate((element) => element === document.activeElement));
    assert.equal(await page.getByText('message 89', { exact: true }).count(), 0, 'only what is around is loaded');
    for (let i = 0; i < 900 && !(await page.getByText('message 89', { exact: true }).count()); i += 1) {
      await page.evaluate(() => { const list = document.querySelector('.messages'); list.scrollTop = list.scrollHeight; });
      await page.waitForTimeout(50);
    }
    const texts = await page.locator('.user-text').allTextContents();
    assert.equal(texts.at(-1), 'message 89');
    const numbers = texts.map((text) => Number(/\d+/.exec(text)?.[0] ?? 20));
    assert.deepEqual(numbers, numbers.map((_, i) => numbers[0] + i), 'in order, each once');
    await ask(page, 'and on');
    await replies(page).last().getByText('and on').waitFor();
    await close();
  });

  test('going back through a long session shows every message once', async () => {
    const { page, client, close } = await suite.open({ models: { echo: 'echo=1' } });
    for (let i = 0; i < 70; i += 1) await client.say('echo', 'back', `message ${i}`);
    await page.goto(`${suite.site.url}#/c/back`);
    await mine(page).getByText('message 69').waitFor();
    for (let i = 0; i < 900 && !(await page.getByText('message 0', { exact: true }).count()); i += 1) {
      await page.evaluate(() => { document.querySelector('.messages').scrollTop = 0; });
      await page.waitForTimeout(50);
    }
    const texts = await page.locator('.user-text').allTextContents();
    assert.deepEqual(texts, Array.from({ length: 70 }, (_, i) => `message ${i}`));
    await close();
  });

  test('a session of somebody else is not there', async () => {
    const { client, close } = await suite.open();
    await client.say('demo', 'secret', 'A secret');
    const other = await suite.open({ path: '#/c/secret' });
    await other.page.getByText('This chat does not exist, or it is not yours.').waitFor();
    await other.close();
    await close();
  });

  test('after a logout nothing of the user is left for the next one', async () => {
    const { page, close } = await suite.open();
    await ask(page, 'My secret');
    await composer(page).fill('A secret draft');
    await page.getByRole('button', { name: /^Account of/ }).click();
    await page.getByRole('menuitem', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByLabel('Username').fill('next-user');
    await page.getByLabel('Password').fill('high-tide');
    await page.getByLabel('Password').press('Enter');
    await page.locator('.empty-state').waitFor();
    assert.doesNotMatch(await page.locator('#page').innerText(), /secret/);
    assert.equal(await composer(page).inputValue(), '');
    assert.doesNotMatch(await page.evaluate(() => JSON.stringify(localStorage)), /secret/);
    await close();
  });

  test('the browser’s language, and another one from the settings', async () => {
    const { page, close } = await suite.open({ language: 'zh' });
    await page.getByRole('heading', { name: '想聊点什么？' }).waitFor();
    await page.getByRole('button', { name: /认识潮聊/ }).click();
    await replies(page).getByText('内置演示模型').first().waitFor();
    await settled(page);
    await page.goto(`${suite.site.url}#/settings/look`);
    await page.getByRole('radio', { name: 'English' }).check();
    await page.getByRole('heading', { name: 'Appearance' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Appearance' }).waitFor();
    await page.getByRole('radio', { name: 'Dark' }).check();
    assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), 'dark');
    await close();
  });
});

describe('below a path', () => {
  const suite = withPage({ base: '/chat/' });

  test('the page, its login and its streams work', async () => {
    const { page, close } = await suite.open();
    await ask(page, 'Hello');
    await page.reload();
    await replies(page).getByText('demo model').waitFor();
    assert.match(page.url(), /\/chat\/#\/c\//);
    await page.goto(`${suite.site.url}#/settings/keys`);
    await page.getByText(`${suite.site.url}v1`).waitFor();
    await close();
  });
});
