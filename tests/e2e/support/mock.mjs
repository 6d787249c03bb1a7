// The scriptable upstream (tests/mock_llm): a scenario is a part of its base URL.
import { createInterface } from 'node:readline';
import { maybeInBytes } from './byte_proxy.mjs';
import { within } from './limits.mjs';
import { findProgram, start } from './process.mjs';

export class Mock {
  #child;

  async start() {
    const program = findProgram(process.env.MOCK_LLM_BIN, [
      'build/asan/mock_llm', 'build/asan/tests/mock_llm/mock_llm',
    ]);
    this.#child = start(program, ['--listen', '127.0.0.1:0', '--threads', '1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: this.#child.stdout });
    const line = await within(new Promise((done, failed) => {
      lines.once('line', done);
      lines.once('close', () => failed(new Error('mock_llm ended')));
    }), 'mock_llm listens');
    this.#child.stdout.unref();
    this.origin = `http://127.0.0.1:${await maybeInBytes(Number(line.split(':').pop()))}`;
    return this;
  }

  get pid() { return this.#child.pid; }

  /** The base URL of a scenario, such as "tokens=64,pace=50". */
  url(scenario) {
    return scenario ? `${this.origin}/${scenario}/v1` : `${this.origin}/v1`;
  }

  async stats() {
    return (await fetch(`${this.origin}/__stats`)).json();
  }

  /** The last requests, oldest first; `json` is the body, unless only its first MiB is recorded. */
  async requests(count = 64) {
    const answer = await (await fetch(`${this.origin}/__requests?n=${count}`)).json();
    const whole = (r) => r.body && Buffer.byteLength(r.body) === r.body_bytes;
    return answer.requests.map((r) => ({ ...r, json: whole(r) ? JSON.parse(r.body) : undefined }));
  }

  async reset() {
    await fetch(`${this.origin}/__reset`, { method: 'POST' });
  }

  async stop() {
    this.#child.kill('SIGTERM');
    await within(this.#child.exited, 'mock_llm ends');
  }
}

export const startMock = () => new Mock().start();
