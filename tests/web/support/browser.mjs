// Chromium without a window, and pages that notice what no page of ours may do: errors, and requests to other hosts.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Everything that a test waits for has to happen within this. */
export const PATIENCE = 15000;

let shared;

export async function openBrowser() {
  shared ??= await chromium.launch({
    executablePath: PROGRAM,
    // Root has no sandbox in Chromium; nothing but our own pages is loaded.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-background-networking', '--no-first-run'],
  });
  return shared;
}

export async function closeBrowser() {
  await shared?.close();
  shared = undefined;
}

/** Messages of the console that are answers of the server and no faults of the page. */
const EXPECTED = /Failed to load resource|net::ERR_/;

/** A browser context of its own (cookies, storage), with one page. `problems` collects what must not happen. */
export async function openContext(url, options = {}) {
  const browser = await openBrowser();
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1200, height: 800 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  context.problems = [];
  const { origin } = new URL(url);
  context.on('page', (page) => watch(page, context.problems));
  context.on('request', (request) => {
    const asked = new URL(request.url());
    if (!['data:', 'blob:'].includes(asked.protocol) && asked.origin !== origin) {
      context.problems.push(`a request to another host: ${asked.href.slice(0, 200)}`);
    }
  });
  return context;
}

function watch(page, problems) {
  page.on('pageerror', (error) => problems.push(`an error: ${error.stack}`));
  page.on('dialog', (dialog) => {
    problems.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  });
  page.on('console', (message) => {
    if (message.type() === 'error' && !EXPECTED.test(message.text())) problems.push(`the console: ${message.text()}`);
  });
}

export function assertNoProblems(context) {
  assert.deepEqual(context.problems, []);
}
