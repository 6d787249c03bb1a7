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

  test('a version far above is shown around it, and goes on from its own end', async () => {
    const { page, context, client, close } = await suite.open({ models: { echo: 'echo=1' } });
    const exports = [];
    context.on('request', (request) => { if (request.url().includes('/export')) exports.push(request.url()); });
    const first = await client.say('echo', 'wide', 'old 0');
    for (let i = 1; i < 50; i += 1) await client.say('echo', 'wide', `old ${i}`);
    await client.say('echo', 'wide', 'young 1', { parent_id: first.message_id });
    for (let i = 2; i < 50; i += 1) await client.say('echo', 'wide', `young ${i}`);
    await page.goto(`${suite.site.url}#/c/wide/${first.message_id}`);
    const second = mine(page).nth(1);
    await second.getByText('young 1', { exact: true }).waitFor();
    await second.hover();
    await second.getByRole('button', { name: 'Previous version' }).click();
    await second.getByText('old 1', { exact: true }).waitFor();
    await second.getByText('1/2').waitFor();
    await ask(page, 'goes on');
    await mine(page).last().getByText('goes on').waitFor();
    const { data } = await client.ok('GET', '/api/chat/sessions/wide/messages?limit=4');
    assert.deepEqual(data.map((message) => message.content), ['old 49', 'old 49', 'goes on', 'goes on']);
    await mine(page).getByText('old 49', { exact: true }).waitFor();
    assert.deepEqual(exports, []);
    await close();
  });

  test('personas are there with their texts, in the picker and to be read whole', async () => {
    const { page, close } = await suite.open();
    const picker = page.getByRole('button', { name: /^Persona:/ });
    await picker.click();
    await page.getByRole('menuitemradio', { name: /Plain/ }).getByText('You are plain.').waitFor();
    await page.getByRole('menuitem', { name: 'Read all of their texts' }).click();
    const dialog = page.getByRole('dialog', { name: 'Personas' });
    await dialog.getByText('You are the other one.').waitFor();
    assert.ok(await dialog.getByRole('button', { name: 'Choose “潮汐”' }).isDisabled(), 'it speaks already');
    await dialog.getByRole('button', { name: 'Choose “Other”' }).click();
    await page.getByRole('button', { name: 'Persona: Other' }).waitFor();
    assert.equal(await dialog.count(), 0);
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
