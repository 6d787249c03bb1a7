// What the page's tests share: a server, the mock upstream, the page in front of them, and a browser.
import { after, before } from 'node:test';
import { HANG_MS } from '../../e2e/support/limits.mjs';
import { startMock } from '../../e2e/support/mock.mjs';
import { LOOPBACK, startServer } from '../../e2e/support/server.mjs';
import { assertNoProblems, closeBrowser, openContext } from './browser.mjs';
import { PageServer } from './page_server.mjs';
import { Upstream } from './upstream.mjs';

let users = 0;

/** Call inside describe(). The context has `server`, `mock`, `upstream` (says any
 * text), `site` (the page's server) and `open()`. */
export function withPage({ base = '/', env = {} } = {}) {
  const suite = { contexts: [] };
  before(async () => {
    suite.mock = await startMock();
    suite.upstream = await new Upstream().start();
    suite.server = await startServer({ env: { ...LOOPBACK, ...env } });
    suite.site = await new PageServer(suite.server.url, base).start();
  }, { timeout: HANG_MS });
  after(async () => {
    await closeBrowser();
    suite.site?.stop();
    try {
      await suite.server?.stop();
    } finally {
      suite.server?.home.remove();
      suite.upstream?.stop();
      await suite.mock?.stop();
    }
  }, { timeout: HANG_MS });

  /** A logged-in user on a page of their own. `models`: {name: scenario of the mock, or null for `upstream`}. */
  suite.open = async ({ models = {}, path = '', language = 'en', ...options } = {}) => {
    users += 1;
    const name = options.name ?? `visitor${users}`;
    const client = await suite.server.user(name);
    for (const [model, scenario] of Object.entries(models)) {
      await client.ok('POST', '/api/user/apis', {
        api_name: model, api_key: 'sk-test', model_name: model, provider: 'openai',
        base_url: scenario === null ? suite.upstream.url : suite.mock.url(scenario),
      });
    }
    const context = await openContext(suite.site.url, { locale: language === 'zh' ? 'zh-CN' : 'en-US', ...options });
    const { hostname } = new URL(suite.site.url);
    await context.addCookies([{ name: 'access_token', value: client.token, domain: hostname, path: '/' }]);
    const page = await context.newPage();
    await page.goto(suite.site.url + path);
    await page.waitForSelector('#composer');
    return { page, context, client, name, close: async () => { assertNoProblems(context); await context.close(); } };
  };
  return suite;
}
