// Pictures of the page: node tests/web/screenshots.mjs FOLDER [PART OF A NAME...], with the programs that
// tests/web/run.sh names. They are for people to look at; docs/images/ has some of them.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

process.env.FONTCONFIG_FILE = fileURLToPath(new URL('support/fonts.conf', import.meta.url));
const { startMock } = await import('../e2e/support/mock.mjs');
const { LOOPBACK, startServer } = await import('../e2e/support/server.mjs');
const { closeBrowser, openContext } = await import('./support/browser.mjs');
const { PageServer } = await import('./support/page_server.mjs');
const { SAMPLES, TITLES } = await import('./support/sample_conversations.mjs');
const { Upstream } = await import('./support/upstream.mjs');
const { composer } = await import('./support/chat.mjs');

const [folder = 'build/screenshots', ...wanted] = process.argv.slice(2);
const OUT = resolve(folder);
mkdirSync(OUT, { recursive: true });

const VIEWS = [
  { name: 'wide-light-en', width: 1440, height: 900, theme: 'light', language: 'en' },
  { name: 'wide-dark-zh', width: 1440, height: 900, theme: 'dark', language: 'zh' },
  { name: 'tablet-light-zh', width: 768, height: 1024, theme: 'light', language: 'zh' },
  { name: 'tablet-dark-en', width: 768, height: 1024, theme: 'dark', language: 'en' },
  { name: 'phone-light-zh', width: 360, height: 740, theme: 'light', language: 'zh' },
  { name: 'phone-dark-en', width: 360, height: 740, theme: 'dark', language: 'en' },
];

const SEAL = '<svg xmlns="http://www.w3.org/2000/svg" width="360" height="200"><rect width="360" height="200" fill="#bfe3e6"/>'
  + '<circle cx="180" cy="110" r="60" fill="#5a6a70"/></svg>';

const upstream = await new Upstream().start();
const mock = await startMock();
const personas = fileURLToPath(new URL('../../style.yaml', import.meta.url));
const server = await startServer({ env: { ...LOOPBACK, TIDETALK_PERSONAS: personas } });
const site = await new PageServer(server.url, '/').start();

/** Replies that did not end well, and an image from elsewhere. */
async function fillEnds(client, language) {
  const zh = language === 'zh';
  await client.model(`${mock.url('tokens=3,fault=reset_mid,at=2')}`, { model_name: 'broken', api_name: 'broken' });
  await client.model(`${mock.url('tokens=12,reasoning=4,finish=length')}`, { model_name: 'short', api_name: 'short' });
  await client.model(`${mock.url('status=401')}`, { model_name: 'refused', api_name: 'refused' });
  const id = `${language}-ends`;
  upstream.next = { text: `${zh ? '这是一只海豹：' : 'A seal:'}\n\n![${zh ? '海豹' : 'A seal'}](https://images.example/seal.png)\n\n![${zh ? '灯塔' : 'A lighthouse'}](https://images.example/light.png)` };
  await client.say('gpt-5', id, zh ? '给我看一只海豹' : 'Show me a seal');
  for (const model of ['short', 'broken', 'refused']) {
    await client.post('/api/chat/message', { session_id: id, model_name: model, message: zh ? '接着说' : 'Go on' });
  }
}

/** A user with a conversation to look at. */
async function fill(language, name) {
  const client = server.client({ language });
  await client.register(name);
  for (const model of ['gpt-5', 'deepseek-chat']) {
    await client.model(upstream.url, { model_name: model, api_name: model });
  }
  for (const [i, title] of TITLES[language].entries()) {
    upstream.next = { text: 'Done.' };
    await client.say('deepseek-chat', `${language}-${i}`, title);
    await client.request('PATCH', `/api/chat/sessions/${language}-${i}`, { title });
  }
  const id = `${language}-tides`;
  for (const turn of SAMPLES[language].turns) {
    upstream.next = turn;
    await client.say('gpt-5', id, turn.message);
  }
  await client.request('PATCH', `/api/chat/sessions/${id}`, { title: SAMPLES[language].title });
  await fillEnds(client, language);
  return { client, id };
}

function shooter(page, view) {
  return async (what) => {
    const name = `${view.name}-${what}`;
    if (wanted.length && !wanted.some((part) => name.includes(part))) return;
    await page.waitForTimeout(350); // animations
    await page.screenshot({ path: join(OUT, `${name}.png`) });
  };
}

async function look(view, { client, id }) {
  const context = await openContext(site.url, {
    viewport: { width: view.width, height: view.height }, colorScheme: view.theme,
    locale: view.language === 'zh' ? 'zh-CN' : 'en-US', reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const shoot = shooter(page, view);
  await page.goto(site.url);
  await page.locator('form.card').waitFor();
  await shoot('sign-in');
  await context.addCookies([{ name: 'access_token', value: client.token, domain: '127.0.0.1', path: '/' }]);
  await page.reload();
  await composer(page).waitFor();
  await page.locator('.empty-state').waitFor();
  await shoot('empty');
  await page.goto(`${site.url}#/c/${id}`);
  await page.locator('.hljs-keyword').first().waitFor();
  await page.locator('math').first().waitFor();
  await shoot('code');
  await page.evaluate(() => { document.querySelector('.messages').scrollTop = 0; });
  await shoot('chat');
  await page.locator('.picker.persona').click();
  await shoot('personas');
  await page.getByRole('menuitem').last().click();
  await page.locator('.persona-text').first().waitFor();
  await shoot('persona-texts');
  await page.keyboard.press('Escape');
  await context.route('https://images.example/**', (route) => route.fulfill({ contentType: 'image/svg+xml', body: SEAL }));
  await page.goto(`${site.url}#/c/${view.language}-ends`);
  await page.locator('.reply-note').nth(2).waitFor();
  await shoot('ends');
  await page.evaluate(() => { document.querySelector('.messages').scrollTop = 0; });
  await page.locator('.reasoning-title').click();
  await page.locator('.remote-image .text-button').first().click();
  await page.waitForFunction(() => document.querySelector('.remote-image-frame').offsetWidth > 200);
  await shoot('remote-image');
  await page.goto(`${site.url}#/c/${id}`);
  await page.locator('.hljs-keyword').first().waitFor();
  if (view.width < 768) {
    await page.locator('.show-sidebar').click();
    await shoot('drawer');
    await page.locator('.drawer-shade').click({ position: { x: view.width - 10, y: 300 } });
  }
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill(view.language === 'zh' ? '引潮力' : 'spring');
  await page.locator('.hit-snippet').first().waitFor();
  await shoot('search');
  await page.keyboard.press('Escape');
  await page.locator('.picker').first().click();
  await shoot('models');
  await page.keyboard.press('Escape');
  for (const section of ['models', 'usage', 'look', 'keys']) {
    await page.goto(`${site.url}#/settings/${section}`);
    await page.locator('#settings-title').waitFor();
    await page.waitForTimeout(200);
    await shoot(`settings-${section}`);
  }
  if (context.problems.length) console.error(view.name, context.problems);
  await context.close();
}

try {
  const filled = { en: await fill('en', 'marina'), zh: await fill('zh', '林小满') };
  for (const view of VIEWS) await look(view, filled[view.language]);
} finally {
  await closeBrowser();
  site.stop();
  upstream.stop();
  await mock.stop();
  await server.stop();
  server.home.remove();
}
