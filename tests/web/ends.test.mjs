// How replies end, while one looks and when one comes back: what was thought, why it stopped, what to do.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from '../e2e/support/limits.mjs';
import { openContext } from './support/browser.mjs';
import { ask, replies, sessionId, settled } from './support/chat.mjs';
import { withPage } from './support/suite.mjs';

describe('the end of a reply', () => {
  const suite = withPage();

  for (const [finish, text] of [
    ['length', 'The model reached its length limit here.'],
    ['content_filter', 'The provider’s content filter ended this reply.'],
  ]) {
    test(`${finish} is said in words, and again after a refresh`, async () => {
      const { page, close } = await suite.open({ models: { cut: `tokens=3,finish=${finish}` } });
      await ask(page, 'Go on');
      await replies(page).getByText(text).waitFor();
      await page.reload();
      await replies(page).getByText(text).waitFor();
      await close();
    });
  }

  test('stop says nothing', async () => {
    const { page, close } = await suite.open({ models: { plain: 'tokens=3' } });
    await ask(page, 'Hello');
    await page.reload();
    await replies(page).getByRole('button', { name: 'Retry' }).waitFor();
    assert.equal(await page.locator('.reply-note').count(), 0);
    await close();
  });

  test('an error has its reason, the way to the settings and another try, also after a refresh', async () => {
    const { page, close } = await suite.open({ models: { broken: 'status=401,fails=1' } });
    await ask(page, 'Hello?');
    const note = page.locator('.reply-note');
    await note.getByText('refused the API key').waitFor();
    assert.equal(await note.getAttribute('role'), 'alert');
    await page.reload();
    await note.getByText('refused the API key').waitFor();
    assert.equal(await note.getAttribute('role'), null, 'what is old is no alert');
    assert.match(await note.getByRole('link', { name: 'Settings' }).getAttribute('href'), /#\/settings\/models$/);
    await note.getByRole('button', { name: 'Try again' }).click();
    await replies(page).getByText('tok0').waitFor();
    await settled(page);
    assert.equal(await note.count(), 0);
    await replies(page).getByText('2/2').waitFor();
    await close();
  });

  test('an error in the middle keeps the text, and is told in the language of the page', async () => {
    const { page, close } = await suite.open({ models: { cut: 'tokens=6,fault=reset_mid,at=3' }, language: 'zh' });
    await ask(page, '你好');
    await page.reload();
    await replies(page).getByText('tok0 tok1 tok2').waitFor();
    await page.locator('.reply-note').getByText('与模型提供方的连接中断，请重试。').waitFor();
    await page.locator('.reply-note').getByRole('button', { name: '重试' }).waitFor();
    await close();
  });

  test('what was thought is there in another browser, without its time', async () => {
    const { page, client, close } = await suite.open({ models: { thinker: 'reasoning=4,tokens=3,pace=20' } });
    await ask(page, 'Think');
    await replies(page).getByRole('button', { name: /Thought for/ }).waitFor();
    const other = await openContext(suite.site.url);
    const { hostname } = new URL(suite.site.url);
    await other.addCookies([{ name: 'access_token', value: client.token, domain: hostname, path: '/' }]);
    const elsewhere = await other.newPage();
    await elsewhere.goto(`${suite.site.url}#/c/${sessionId(page)}`);
    const title = replies(elsewhere).getByRole('button', { name: 'Thought', exact: true });
    assert.equal(await title.getAttribute('aria-expanded'), 'false');
    await title.click();
    await elsewhere.getByText('think0 think1 think2 think3').waitFor();
    await other.close();
    await close();
  });
});
