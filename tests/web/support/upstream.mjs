// An upstream that says what a test tells it to: texts too long or too strange for mock_llm's addresses.
import { createServer } from 'node:http';
import { once } from 'node:events';
import { pause } from '../../e2e/support/limits.mjs';

const event = (delta, finish = null) => `data: ${JSON.stringify({
  id: 'x', object: 'chat.completion.chunk', created: 0, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }],
})}\n\n`;

/** Cut into pieces of so many characters, never inside of one. */
function pieces(text, size) {
  const characters = [...text];
  const found = [];
  for (let i = 0; i < characters.length; i += size) found.push(characters.slice(i, i + size).join(''));
  return found;
}

export class Upstream {
  /** What the next answers say: {reasoning?, text, size?: characters in a piece, pace?: ms between them}. */
  next = { text: 'Hello.' };

  async start() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${this.#server.address().port}/v1`;
    return this;
  }

  #server = createServer(async (asked, answer) => {
    let body = '';
    for await (const chunk of asked) body += chunk;
    const { reasoning = '', text, size = 20, pace = 0 } = this.next;
    if (!body.includes('"stream":true')) {
      answer.setHeader('Content-Type', 'application/json');
      answer.end(JSON.stringify({ choices: [{ message: { role: 'assistant', content: text }, finish_reason: 'stop' }] }));
      return;
    }
    answer.setHeader('Content-Type', 'text/event-stream');
    for (const piece of pieces(reasoning, size)) await this.#say(answer, { reasoning_content: piece }, pace);
    for (const piece of pieces(text, size)) await this.#say(answer, { content: piece }, pace);
    answer.end(`${event({}, 'stop')}data: [DONE]\n\n`);
  });

  async #say(answer, delta, pace) {
    const room = answer.write(event(delta));
    if (pace) await pause(pace);
    else if (!room && !answer.destroyed) await Promise.race([once(answer, 'drain'), once(answer, 'close')]);
  }

  stop() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
