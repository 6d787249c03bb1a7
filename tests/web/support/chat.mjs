// What somebody does in the chat, and what they see.
import assert from 'node:assert/strict';

export const composer = (page) => page.locator('#composer');
export const replies = (page) => page.locator('.message.assistant');
export const mine = (page) => page.locator('.message.user');

export async function send(page, text) {
  await composer(page).fill(text);
  await composer(page).press('Enter');
  await page.locator('.send-button.stop').or(replies(page)).first().waitFor();
}

/** Waits until nothing is being written. */
export async function settled(page) {
  await page.locator('.send-button:not(.stop)').waitFor();
}

export async function ask(page, text) {
  const before = await replies(page).count();
  await send(page, text);
  await replies(page).nth(before).waitFor();
  await settled(page);
}

export async function chooseModel(page, name) {
  await page.getByRole('button', { name: /^(Model:|模型：)/ }).click();
  await page.getByRole('menuitemradio', { name }).click();
}

export const sessionId = (page) => {
  const match = /#\/c\/([^/]+)/.exec(page.url());
  assert.ok(match, `no session in ${page.url()}`);
  return decodeURIComponent(match[1]);
};
