// covers: docs/openai.md, doors
// The examples of docs/openai.md, run as they are printed.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { keyHolder } from './support/door.mjs';
import { HANG_MS, test } from './support/limits.mjs';
import { ROOT, run } from './support/process.mjs';
import { withServer } from './support/suite.mjs';

const PAGE = readFileSync(join(ROOT, 'docs/openai.md'), 'utf8');

const blocksOf = (language) =>
  [...PAGE.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\n\`\`\``, 'gs'))].map((match) => match[1]);

describe('docs/openai.md', () => {
  const context = withServer();
  let folder;
  let holder;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidetalk-docs-'));
    holder = await keyHolder(context.server);
  }, { timeout: HANG_MS });
  after(() => rmSync(folder, { recursive: true }));

  const environment = () => ({ ...process.env, BASE: context.server.url, TOKEN: holder.user.token });

  test('with curl', async () => {
    const { code, stdout, stderr } = await run('bash', ['-euc', blocksOf('sh').join('\n')], {
      cwd: folder, env: environment(),
    });
    assert.equal(code, 0, stderr);
    assert.match(readFileSync(join(folder, 'key.json'), 'utf8'), /"key":"sk-tide-[0-9a-f]{72}"/);
    assert.ok(stdout.includes('"object":"list"') && stdout.includes('"object":"chat.completion"'), stdout);
    assert.ok(stdout.includes('data: [DONE]') && stdout.includes('"total_tokens"'), stdout);
    assert.match(readFileSync(join(folder, 'answer-1.json'), 'utf8'), /chat\.completion/);
    const [usage] = JSON.parse(stdout.slice(stdout.lastIndexOf('{"data":'))).data;
    assert.deepEqual([usage.model_name, usage.requests], ['demo', 5]);
    assert.ok(!stdout.includes('"error":{'), stdout);
  });

  test('with JavaScript', async () => {
    // Beside the installed packages, where a module finds them.
    const path = join(ROOT, 'tests/e2e', `.openai-example-${process.pid}.mjs`);
    const blocks = blocksOf('js');
    assert.equal(blocks.length, 2);
    for (const block of blocks) {
      writeFileSync(path, block);
      try {
        const { code, stdout, stderr } = await run(process.execPath, [path], {
          cwd: folder, env: { ...environment(), KEY: holder.key },
        });
        assert.equal(code, 0, stderr);
        assert.match(stdout, /demo model/);
      } finally {
        rmSync(path);
      }
    }
  });
});
