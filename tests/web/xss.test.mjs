// Nothing that anybody writes becomes part of the page: replies, messages, names, titles, files, searches.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from '../e2e/support/limits.mjs';
import { ask, mine, replies, sessionId } from './support/chat.mjs';
import { withPage } from './support/suite.mjs';

const VECTORS = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg onload=alert(1)><animate onbegin=alert(1) attributeName=x dur=1s></svg>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<a href="javascript:alert(1)">x</a>',
  '[click](javascript:alert(1))',
  '[click](JaVaScRiPt:alert(1))',
  '[click](  javascript&colon;alert(1))',
  '[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)',
  '[click](vbscript:msgbox(1))',
  '[here](#/settings/keys) [there](/api/logout) [up](../x)',
  '![x](javascript:alert(1))',
  '![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)',
  '![pixel](https://evil.example/pixel.png?secret)',
  '<https://evil.example/%22onmouseover=alert(1)//>',
  '`<img src=x onerror=alert(1)>`',
  '```html\n<script>alert(1)</script>\n```',
  '```"><img src=x onerror=alert(1)>\ncode\n```',
  '$\\href{javascript:alert(1)}{x}$ $\\includegraphics{https://evil.example/x.png}$',
  '$$\\unicode{<img src=x onerror=alert(1)>}$$',
  '$\\text{</math><img src=x onerror=alert(1)>}$',
  '| <img src=x onerror=alert(1)> | b |\n|--|--|\n| <script>alert(1)</script> | c |',
  '[^1]\n\n[^1]: <img src=x onerror=alert(1)> [x](javascript:alert(1))',
  '[ref]\n\n[ref]: javascript:alert(1)',
  '<style>body{background:url(https://evil.example/css)}</style>',
  '<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example/">',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>',
  '```__proto__\nx\n```\n\n```constructor\ny\n```\n\n&valueOf; &constructor; &__proto__;',
  '__proto__ constructor toString [^__proto__]\n\n[^__proto__]: x',
  '&lt;img src=x onerror=alert(1)&gt; &#60;script&#62;',
];

/** 48 by 24. */
const SEAL = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAADAAAAAYCAIAAAAzn+mLAAAALElEQVR42u3OQQkAAAgEsPsb1bf9rSE4WIClek6JkJCQkJCQkJCQkJDQr9ACh7UhvRqQOK8AAAAASUVORK5CYII=', 'base64');

/** What no text may make: elements that run or load, links that lead somewhere unsafe. */
function unsafeElements() {
  const found = [];
  const inside = document.querySelectorAll('.messages *, .sidebar *, dialog *, .notices *');
  for (const element of inside) {
    const name = element.localName;
    if (['script', 'iframe', 'object', 'embed', 'style', 'base', 'meta', 'link', 'form', 'animate'].includes(name)) found.push(name);
    for (const { name: attribute, value } of element.attributes) {
      if (attribute.startsWith('on')) found.push(`${name} ${attribute}`);
      if (attribute === 'style' && element.closest('.markdown') && /url\(/.test(value)) found.push(`${name} style`);
    }
    if (name === 'a' && element.closest('.markdown') && !/^(https?|mailto|tel):/.test(element.getAttribute('href'))) {
      found.push(`a ${element.getAttribute('href')}`);
    }
    if (name === 'img' && !/^(data:image\/(png|jpeg|gif|webp)|blob:)/.test(element.getAttribute('src'))) {
      found.push(`img ${element.getAttribute('src')}`);
    }
  }
  return found;
}

describe('texts stay texts', () => {
  const suite = withPage();

  test('in replies and messages', async () => {
    const { page, close } = await suite.open({ models: { echo: null } });
    for (const vector of VECTORS) {
      suite.upstream.next = { text: vector, reasoning: vector, size: 3 };
      await ask(page, vector);
      assert.deepEqual(await page.evaluate(unsafeElements), [], vector);
    }
    await replies(page).first().getByText('<script>alert(1)</script>').waitFor();
    await page.reload();
    await replies(page).last().getByRole('button', { name: 'Retry' }).waitFor();
    assert.deepEqual(await page.evaluate(unsafeElements), []);
    await close();
  });

  test('a remote image is asked for only after a click, by a frame that can do nothing else', async () => {
    const { page, context, close } = await suite.open({ models: { echo: null } });
    const asked = [];
    await context.route('https://images.example/**', (route) => {
      asked.push(route.request());
      return route.fulfill(route.request().url().includes('seal') ? { contentType: 'image/png', body: SEAL } : { status: 404 });
    });
    suite.upstream.next = { text: '![a seal](https://images.example/seal.png)\n\n![gone](https://images.example/gone.png)\n\n'
      + '![plain](http://images.example/plain.png)' };
    await ask(page, 'Show me a seal');
    await page.reload();
    const link = replies(page).getByRole('link', { name: /a seal/ });
    assert.equal(await link.getAttribute('href'), 'https://images.example/seal.png');
    assert.match(await link.getAttribute('rel'), /noopener noreferrer/);
    assert.equal(await page.locator('img, iframe').count(), 0);
    assert.equal(await replies(page).getByRole('button', { name: /^Show “plain”/ }).count(), 0, 'HTTPS only');
    assert.deepEqual(asked, []);

    await replies(page).getByRole('button', { name: 'Show “a seal”, from images.example' }).click();
    const frame = page.frameLocator('.remote-image-frame');
    await frame.locator('img').waitFor();
    await page.waitForFunction(() => document.querySelector('.remote-image-frame').offsetWidth === 48);
    assert.equal(await page.locator('.remote-image-frame').evaluate((element) => element.offsetHeight), 24);
    assert.deepEqual(asked.map((request) => [request.url(), request.headers().referer]),
      [['https://images.example/seal.png', undefined]]);
    const inside = page.frames().find((one) => one.url().includes('image_frame'));
    const can = await inside.evaluate(async () => ({
      origin, cookie: (() => { try { return document.cookie; } catch { return 'refused'; } })(),
      fetched: await fetch('/api/me').then(() => true, () => false),
      page: (() => { try { return Boolean(parent.document.body); } catch { return 'refused'; } })(),
    }));
    assert.deepEqual(can, { origin: 'null', cookie: 'refused', fetched: false, page: 'refused' });

    await replies(page).getByRole('button', { name: /^Show “gone”/ }).click();
    await replies(page).getByText('The image could not be loaded.').waitFor();
    const loaded = await page.evaluate(() => new Promise((done) => {
      const image = new Image();
      image.onload = () => done(true);
      image.onerror = () => done(false);
      image.src = 'https://images.example/seal.png';
    }));
    assert.equal(loaded, false, 'the page itself may not');
    const expected = /images\.example|api\/me/;
    context.problems = context.problems.filter((problem) => !expected.test(problem));
    await close();
  });

  test('in names, titles, files and searches', async () => {
    const name = '<img src=x onerror=alert(1)>';
    const { page, client, close } = await suite.open({ name, models: { [`${name}"'`]: 'tokens=3' } });
    await page.setInputFiles('input[type=file]', { name: `${name}.txt`, mimeType: 'text/plain', buffer: Buffer.from(VECTORS.join('\n')) });
    await page.locator('.attachment.ready').waitFor();
    await ask(page, name);
    await mine(page).getByRole('button', { name: /onerror/ }).first().click();
    await page.getByText('The model was given this text').waitFor();
    assert.deepEqual(await page.evaluate(unsafeElements), []);
    await page.keyboard.press('Escape');
    await client.ok('PATCH', `/api/chat/sessions/${sessionId(page)}`, { title: `${name}<b>` });
    await page.reload();
    await page.locator('.session').getByText(name).waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox').fill('onerror');
    await page.locator('.hit-snippet mark').first().waitFor();
    assert.deepEqual(await page.evaluate(unsafeElements), []);
    await page.getByRole('combobox').fill('[.*+?^${}()|\\ <b>');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^Model:/ }).click();
    assert.deepEqual(await page.evaluate(unsafeElements), []);
    await close();
  });

  test('an address made of markup leads nowhere', async () => {
    const { page, close } = await suite.open();
    for (const hash of ['#/c/<img src=x onerror=alert(1)>', '#/c/%', '#/settings/__proto__', '#/c/a/javascript:alert(1)', '#/constructor', '#/c/__proto__']) {
      await page.goto(suite.site.url + hash);
      await page.locator('.main').waitFor();
      assert.deepEqual(await page.evaluate(unsafeElements), [], hash);
    }
    await page.goto(suite.site.url);
    await ask(page, '/help');
    await close();
  });
});
