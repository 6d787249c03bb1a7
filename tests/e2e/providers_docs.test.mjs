// covers: models, providers, docs
// The blocks of docs/providers.md are stored as they stand.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { test } from './support/limits.mjs';
import { ROOT } from './support/process.mjs';
import { LOOPBACK } from './support/server.mjs';
import { withServer } from './support/suite.mjs';

describe('docs/providers.md', () => {
  const context = withServer({ env: LOOPBACK });

  test('has blocks that can be stored, each under a name of its own', async () => {
    const page = readFileSync(join(ROOT, 'docs', 'providers.md'), 'utf8');
    const blocks = [...page.matchAll(/^```json\n(\{"api_name"[^]*?)\n```$/gm)].map(([, text]) => JSON.parse(text));
    assert.ok(blocks.length >= 18, `${blocks.length}`);
    const user = await context.server.user();
    for (const block of blocks) {
      const body = { ...block, api_key: block.api_key?.replace('…', 'x') };
      const { api } = await user.ok('POST', '/api/user/apis', body);
      assert.equal(api.provider, block.provider);
      assert.deepEqual(api.options, block.options ?? {});
    }
    const { data } = await user.ok('GET', '/api/models');
    assert.ok(data.some((model) => model.model_name === 'claude-sonnet-4-5'));
  });
});
