// Somebody who comes for the first time: registers, chats, adds a model, attaches a file, searches, tidies up, leaves.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe } from 'node:test';
import { test } from '../e2e/support/limits.mjs';
import { assertNoProblems, openContext } from './support/browser.mjs';
import { ask, chooseModel, composer, mine, replies, send, settled } from './support/chat.mjs';
import { withPage } from './support/suite.mjs';

const REPLY = 'The **tide** comes in twice a day.';

describe('the journey', () => {
  const suite = withPage();

  test('from the first look to logging out', async () => {
    const context = await openContext(suite.site.url);
    const page = await context.newPage();
    await page.goto(suite.site.url);

    await page.getByRole('heading', { name: 'Create your account' }).waitFor();
    await page.getByLabel('Username').fill('first-visitor');
    await page.getByLabel('Password').fill('high-tide');
    await page.getByLabel('Password').press('Enter');
    await page.getByRole('heading', { name: 'What would you like to talk about?' }).waitFor();

    await page.getByRole('button', { name: /Use a real model/ }).click();
    await replies(page).getByText('api_key').first().waitFor();
    await settled(page);
    await page.locator('.session.current').getByText('How do I add an API').waitFor();

    // A model of one's own.
    await page.getByRole('button', { name: 'Model: demo' }).click();
    await page.getByRole('menuitem', { name: 'Add a model' }).click();
    await page.getByLabel('Model name').fill('tide-model');
    await page.getByLabel('API key', { exact: true }).fill('sk-secret');
    await page.getByLabel('Address').fill(suite.mock.url(`text=${encodeURIComponent(REPLY)}`));
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('button', { name: 'Test' }).click();
    await page.getByText('It works.').waitFor();
    await page.getByRole('link', { name: 'Back to the chat' }).click();

    await page.getByRole('button', { name: 'New chat' }).first().click();
    await chooseModel(page, 'tide-model');
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Attach files' }).click();
    await (await chooser).setFiles({ name: 'harbour.txt', mimeType: 'text/plain', buffer: Buffer.from('High water at six.') });
    await page.locator('.attachment.ready').waitFor();
    await ask(page, 'What does the file say about pelicans?');
    assert.equal(await replies(page).last().locator('.markdown').innerText(), 'The tide comes in twice a day.');
    assert.equal(await replies(page).last().locator('strong').innerText(), 'tide');
    const { json } = (await suite.mock.requests(1))[0];
    assert.match(JSON.stringify(json.messages), /harbour\.txt.*High water at six/);

    await mine(page).last().getByRole('button', { name: /harbour\.txt/ }).click();
    await page.getByText('The model was given this text').waitFor();
    await page.getByText('High water at six.').waitFor();
    await page.keyboard.press('Escape');

    // The choice of the model is kept, also over a refresh.
    await page.reload();
    await page.getByRole('button', { name: 'Model: tide-model' }).waitFor();
    await page.getByRole('button', { name: 'New chat' }).first().click();
    await page.getByRole('button', { name: 'Model: tide-model' }).waitFor();

    // The word stands in one message only.
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Search all chats' }).fill('pelicans');
    await page.getByRole('option').filter({ hasText: 'What does the file say' }).first().waitFor();
    await page.getByRole('option').filter({ has: page.locator('.hit-snippet') }).first().click();
    await page.locator('.message.found').getByText('pelicans').waitFor();

    await tidyUp(page);

    await page.getByRole('button', { name: 'Account of first-visitor' }).click();
    await page.getByRole('menuitem', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
    await page.getByLabel('Username').fill('first-visitor');
    await page.getByLabel('Password').fill('wrong-password');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Password').fill('high-tide');
    await page.getByRole('button', { name: 'Log in' }).click();
    await composer(page).waitFor();
    assertNoProblems(context);
    await context.close();
  });

  async function tidyUp(page) {
    const current = page.locator('.session.current');
    await current.hover();
    await current.getByRole('button').click();
    await page.getByRole('menuitem', { name: 'Rename' }).click();
    await page.getByLabel('Title of the chat').fill('Birds of the harbour');
    await page.getByLabel('Title of the chat').press('Enter');
    await current.getByText('Birds of the harbour').waitFor();

    await current.hover();
    await current.getByRole('button').click();
    const download = page.waitForEvent('download');
    await page.getByRole('menuitem', { name: 'Export as Markdown' }).click();
    assert.match(readFileSync(await (await download).path(), 'utf8'), /^# Birds of the harbour/);

    await current.hover();
    await current.getByRole('button').click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('link', { name: 'Birds of the harbour' }).click();
    await replies(page).getByText('comes in twice').waitFor();
  }

  test('a stop keeps what was written, a retry makes a new reply beside it', async () => {
    const { page, close } = await suite.open({ models: { slow: 'tokens=500,pace=20' } });
    await send(page, 'Speak slowly');
    await replies(page).getByText('tok3').waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await settled(page);
    await page.getByText('You stopped this reply.').waitFor();
    assert.match(await replies(page).last().innerText(), /tok0 tok1/);
    await page.getByRole('button', { name: 'Retry' }).click();
    await replies(page).getByText('tok3').waitFor();
    await page.keyboard.press('Escape');
    await settled(page);
    await page.getByText('2/2').waitFor();
    await close();
  });

  test('a failing model is told, with what to do, and the message is kept', async () => {
    const { page, close } = await suite.open({ models: { broken: 'status=401' } });
    await ask(page, 'Hello?');
    await page.getByText('refused the API key').waitFor();
    await mine(page).getByText('Hello?').waitFor();
    await close();
  });

  test('reasoning is folded, with its time, and stays after a refresh', async () => {
    const { page, close } = await suite.open({ models: { thinker: 'reasoning=30,tokens=5,pace=40' } });
    await ask(page, 'Think');
    const title = replies(page).getByRole('button', { name: /Thought for \d+ second/ });
    await title.click();
    await page.getByText('think0 think1').waitFor();
    await page.reload();
    await title.click();
    await page.getByText('think0 think1').waitFor();
    await close();
  });
});
