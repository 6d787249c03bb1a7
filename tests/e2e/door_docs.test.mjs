// covers: docs/openai.md, docs/anthropic.md, doors
// The examples of docs/openai.md and docs/anthropic.md, run as they are printed.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { keyHolder } from './support/door.mjs';
import { HANG_MS, test } from './support/limits.mjs';
import { ROOT, run } from './support/process.mjs';
import { withServer } from './support/suite.mjs';

const blocksOf = (page, language) =>
  [...readFileSync(join(ROOT, 'docs', page), 'utf8').matchAll(new RegExp(`\`\`\`${language}\n(.*?)\n\`\`\``, 'gs'))]
    .map((match) => match[1]);

describe('the examples of the doors', () => {
  const context = withServer();
  let folder;
  let holder;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidetalk-docs-'));
    holder = await keyHolder(context.server);
  }, { timeout: HANG_MS });
  after(() => rmSync(folder, { recursive: true }));

  const environment = (more) => ({ ...process.env, BASE: context.server.url, ...more });

  const withCurl = async (page, more) => {
    const { code, stdout, stderr } = await run('bash', ['-euc', blocksOf(page, 'sh').join('\n')], {
      cwd: folder, env: environment(more),
    });
    assert.equal(code, 0, stderr);
    assert.ok(!stdout.includes('"error":{'), stdout);
    return stdout;
  };

  const withJavaScript = async (page) => {
    // Beside the installed packages, where a module finds them.
    const path = join(ROOT, 'tests/e2e', `.example-${process.pid}.mjs`);
    // Those that are whole: they have their key from the environment.
    const blocks = blocksOf(page, 'js').filter((block) => block.includes('process.env.KEY'));
    assert.ok(blocks.length > 0);
    for (const block of blocks) {
      writeFileSync(path, block);
      try {
        const { code, stdout, stderr } = await run(process.execPath, [path], {
          cwd: folder, env: environment({ KEY: holder.key }),
        });
        assert.equal(code, 0, stderr);
        assert.match(stdout, /demo model/);
      } finally {
        rmSync(path);
      }
    }
  };

  test('OpenAI\'s, with curl', async () => {
    const stdout = await withCurl('openai.md', { TOKEN: holder.user.token });
    assert.match(readFileSync(join(folder, 'key.json'), 'utf8'), /"key":"sk-tide-[0-9a-f]{72}"/);
    assert.ok(stdout.includes('"object":"list"') && stdout.includes('"object":"chat.completion"'), stdout);
    assert.ok(stdout.includes('data: [DONE]') && stdout.includes('"total_tokens"'), stdout);
    assert.match(readFileSync(join(folder, 'answer-1.json'), 'utf8'), /chat\.completion/);
    const [usage] = JSON.parse(stdout.slice(stdout.lastIndexOf('{"data":'))).data;
    assert.deepEqual([usage.model_name, usage.requests], ['demo', 5]);
  });

  test('OpenAI\'s, with JavaScript', () => withJavaScript('openai.md'));

  test('Anthropic\'s, with curl', async () => {
    const stdout = await withCurl('anthropic.md', { KEY: holder.key });
    assert.ok(stdout.includes('"type":"message"') && stdout.includes('event: message_stop'), stdout);
    assert.ok(/\{"input_tokens":\d+\}/.test(stdout) && stdout.includes('"has_more":false'), stdout);
  });

  test('Anthropic\'s, with JavaScript', () => withJavaScript('anthropic.md'));
});
