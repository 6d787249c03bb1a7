// Writing: keys, input methods, files by button, drop and paste, branches.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from '../e2e/support/limits.mjs';
import { ask, composer, mine, replies, settled } from './support/chat.mjs';
import { withPage } from './support/suite.mjs';

/** Enter as a browser sends it while an input method composes: `isComposing`, or Safari's late one with the code 229. */
function pressWhileComposing(locator, how) {
  return locator.evaluate((element, { isComposing, keyCode }) => {
    const event = new KeyboardEvent('keydown', { key: 'Enter', code: 'Enter', bubbles: true, cancelable: true, isComposing });
    Object.defineProperty(event, 'keyCode', { value: keyCode });
    return element.dispatchEvent(event);
  }, how);
}

const COMPOSING = [{ isComposing: true, keyCode: 229 }, { isComposing: false, keyCode: 229 }, { isComposing: true, keyCode: 13 }];

function drop(page, files) {
  return page.evaluate((list) => {
    const transfer = new DataTransfer();
    for (const [name, type, text] of list) transfer.items.add(new File([text], name, { type }));
    const area = document.querySelector('.chat');
    for (const kind of ['dragover', 'drop']) {
      area.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
    }
  }, files);
}

function paste(page, text, files = []) {
  return composer(page).evaluate((element, [words, list]) => {
    const data = new DataTransfer();
    if (words) data.setData('text/plain', words);
    for (const [name, type, bytes] of list) data.items.add(new File([Uint8Array.from(bytes)], name, { type }));
    element.dispatchEvent(new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: data }));
  }, [text, files]);
}

const PIXEL = [...Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')];

describe('writing', () => {
  const suite = withPage();

  test('Enter belongs to the input method while it composes, in every field', async () => {
    const { page, context, close } = await suite.open({ models: { short: 'tokens=3' } });
    const rejected = async (locator, what) => {
      for (const how of COMPOSING) await pressWhileComposing(locator, how);
      assert.ok(await locator.isVisible(), what);
    };
    await composer(page).fill('ni hao');
    await rejected(composer(page), 'the composer');
    assert.equal(await composer(page).inputValue(), 'ni hao');
    await composer(page).press('Enter');
    await mine(page).first().waitFor();
    await settled(page);
    assert.equal(await mine(page).count(), 1);

    await mine(page).first().hover();
    await mine(page).first().getByRole('button', { name: 'Edit' }).click();
    await rejected(page.getByLabel('Edit the message'), 'the editor');
    await page.getByLabel('Edit the message').press('Escape');

    const current = page.locator('.session.current');
    await current.hover();
    await current.getByRole('button').click();
    await page.getByRole('menuitem', { name: 'Rename' }).click();
    await rejected(page.getByLabel('Title of the chat'), 'the title');
    await page.getByLabel('Title of the chat').press('Escape');

    await page.keyboard.press('Control+k');
    await page.getByRole('combobox').fill('hao');
    await page.getByRole('option').first().waitFor();
    await rejected(page.getByRole('combobox'), 'the search');
    await page.keyboard.press('Escape');
    assert.equal(await mine(page).count(), 1);

    for (const [section, label] of [['models', 'Model name'], ['keys', 'What the key is for'], ['account', 'New password']]) {
      await page.goto(`${suite.site.url}#/settings/${section}`);
      if (section === 'models') await page.getByRole('button', { name: 'Add a model' }).click();
      const field = page.getByLabel(label);
      for (const how of COMPOSING) assert.equal(await pressWhileComposing(field, how), false, `${section}: not passed on`);
    }
    assert.deepEqual(context.problems, []);
    await close();
  });

  test('keys: new line, last message, messages one by one, help', async () => {
    const { page, close } = await suite.open({ models: { short: 'tokens=3' } });
    await composer(page).fill('one');
    await composer(page).press('Shift+Enter');
    await composer(page).pressSequentially('two');
    assert.equal(await composer(page).inputValue(), 'one\ntwo');
    await composer(page).press('Enter');
    await mine(page).first().waitFor();
    await settled(page);
    await composer(page).press('ArrowUp');
    assert.equal(await page.getByLabel('Edit the message').inputValue(), 'one\ntwo');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Alt+ArrowUp');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'message assistant');
    await page.keyboard.press('Alt+ArrowUp');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'message user');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'composer');
    await page.keyboard.press('Control+b');
    assert.equal(await page.locator('.sidebar').isVisible(), false);
    await page.keyboard.press('Control+b');
    await page.keyboard.press('Control+Shift+o');
    await page.locator('.empty-state').waitFor();
    await close();
  });

  test('branches: another version of a message and of a reply, and the way between them', async () => {
    const { page, close } = await suite.open({ models: { echo: 'echo=1' } });
    await ask(page, 'first');
    await ask(page, 'second');
    await mine(page).last().hover();
    await mine(page).last().getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel('Edit the message').fill('second, better');
    await page.getByLabel('Edit the message').press('Enter');
    await replies(page).getByText('second, better').waitFor();
    await settled(page);
    await mine(page).last().getByText('2/2').waitFor();
    await ask(page, 'third');

    await mine(page).nth(1).hover();
    await mine(page).nth(1).getByRole('button', { name: 'Previous version' }).click();
    await mine(page).nth(1).getByText('1/2').waitFor();
    assert.deepEqual(await page.locator('.user-text').allTextContents(), ['first', 'second']);
    await ask(page, 'goes on from here');
    assert.deepEqual(await page.locator('.user-text').allTextContents(), ['first', 'second', 'goes on from here']);

    await mine(page).nth(1).hover();
    await mine(page).nth(1).getByRole('button', { name: 'Next version' }).click();
    await mine(page).getByText('third').waitFor();
    assert.deepEqual(await page.locator('.user-text').allTextContents(), ['first', 'second, better', 'third']);

    await replies(page).last().getByRole('button', { name: 'Retry' }).click();
    await replies(page).last().getByText('2/2').waitFor();
    await page.reload();
    await replies(page).last().getByText('2/2').waitFor();
    await close();
  });

  test('files by drop and paste, with what they are; a long text becomes one', async () => {
    const { page, close } = await suite.open({ models: { short: 'tokens=3' } });
    await drop(page, [['notes.md', 'text/markdown', '# Notes'], ['table.csv', 'text/csv', 'a,b']]);
    await page.locator('.attachment.ready').nth(1).waitFor();
    await page.getByRole('button', { name: 'Remove table.csv' }).click();
    await paste(page, '', [['image.png', 'image/png', PIXEL]]);
    await page.locator('.attachment.ready img').waitFor();
    await page.getByRole('button', { name: 'Remove image.png' }).click();
    await paste(page, 'tide '.repeat(200000));
    await page.locator('.attachment.ready').getByText('Pasted text.txt').waitFor();
    assert.equal(await composer(page).inputValue(), '');
    await ask(page, 'Read them');
    const texts = JSON.stringify((await suite.mock.requests(1))[0].json?.messages ?? (await suite.mock.requests(1))[0].body);
    assert.match(texts, /# Notes/);
    await mine(page).getByRole('button', { name: /Pasted text/ }).click();
    await page.getByText('The model was given this text: 1,000,000 characters.').waitFor();
    await close();
  });

  test('a file that is refused says why, and the message waits', async () => {
    const { page, close } = await suite.open();
    await page.setInputFiles('input[type=file]', { name: 'big.txt', mimeType: 'text/plain', buffer: Buffer.alloc(11 * 1024 * 1024, 97) });
    await page.locator('.attachment.failed').waitFor();
    assert.match(await page.locator('.attachment.failed').innerText(), /\d+ MiB|large|limit/i);
    await close();
  });

  test('the first attachment of a new chat and its message are one session', async () => {
    const { page, client, close } = await suite.open();
    await page.setInputFiles('input[type=file]', { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('a') });
    await page.locator('.attachment.ready').waitFor();
    await ask(page, 'Look');
    const { pagination } = await client.ok('GET', '/api/chat/sessions');
    assert.equal(pagination.total, 1);
    await close();
  });
});
