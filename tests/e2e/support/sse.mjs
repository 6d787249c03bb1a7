// A stream of reply frames, read with a stock parser and checked frame by frame.
import assert from 'node:assert/strict';
import { createParser } from 'eventsource-parser';

const FRAME_ID = /^(\d+)\.(\d+)(\.end)?$/;

export class SseReader {
  frames = []; // {id, seq, data} in order
  raw = '';
  text = ''; // the contents joined
  reasoning = '';
  calls = ''; // the entries of tool calls, a line each
  steps = ''; // what tools did between the parts of the reply, a line each
  last = null; // the frame with done: true
  lateResets = false; // a reset may come in the middle: the reply goes on from another server

  /** `after`: the position from which the reply was asked for. */
  constructor(response, after = 0) {
    this.after = after;
    this.response = response;
    this.headers = response.headers;
    // A half character at the end of the body must not go unseen.
    this.decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    this.parser = createParser({
      onEvent: (event) => this.#take(event),
      onError: (error) => { throw error; },
    });
    this.chunks = response.body[Symbol.asyncIterator]();
  }

  #take(event) {
    const [, message, seq, end] = FRAME_ID.exec(event.id) ?? [];
    assert.ok(message, `a frame without a position: ${JSON.stringify(event)}`);
    assert.equal(event.event, undefined, 'frames are of the default type');
    assert.equal(this.last, null, 'nothing comes after the end');
    const data = JSON.parse(event.data);
    assert.equal(end !== undefined, data.done === true, 'the last frame has an id of its own');
    if (data.reset) this.#reset();
    this.messageId ??= Number(message);
    assert.equal(Number(message), this.messageId, 'one reply a stream');
    if (data.content !== undefined) this.text += data.content;
    if (data.reasoning !== undefined) this.reasoning += data.reasoning;
    if (data.tool_calls) this.calls += `${event.data.slice('{"tool_calls":'.length, -1)}\n`;
    if (data.tool_call || data.tool_result || data.approval) this.steps += `${event.data}\n`;
    // Positions are bytes of what was told so far, however it was cut.
    const told = this.after + Buffer.byteLength(this.text + this.reasoning + this.calls + this.steps);
    assert.equal(Number(seq), told, `position of ${event.data.slice(0, 200)}`);
    this.frames.push({ id: event.id, seq: Number(seq), data });
    if (data.done) this.last = data;
  }

  /** The tool calls, their pieces joined. */
  toolCalls() {
    const calls = [];
    for (const delta of this.calls.split('\n').filter(Boolean).flatMap((line) => JSON.parse(line))) {
      calls[delta.index] ??= { id: delta.id, name: delta.function.name, arguments: '' };
      calls[delta.index].arguments += delta.function.arguments ?? '';
    }
    return calls;
  }

  /** The steps, decoded. */
  stepList() { return this.steps.split('\n').filter(Boolean).map((line) => JSON.parse(line)); }

  /** What was told before does not hold: the frame has all of it. */
  #reset() {
    assert.ok(this.lateResets || this.frames.length === 0, 'a reset comes first');
    this.replaced = this.text;
    Object.assign(this, { after: 0, text: '', reasoning: '', calls: '', steps: '' });
    this.reset = true;
  }

  /** Reads one piece of the body; false at its end. */
  async #read() {
    const { value, done } = await this.chunks.next();
    const piece = done ? this.decoder.decode() : this.decoder.decode(value, { stream: true });
    this.raw += piece;
    this.parser.feed(piece);
    return !done;
  }

  /** Reads until the reader itself satisfies this. */
  async until(satisfied) {
    while (!satisfied(this)) {
      assert.ok(await this.#read(), `the stream ended too early: ${this.raw.slice(-500)}`);
    }
    return this;
  }

  /** Reads to the end of the body, which must come after a whole end or error frame. */
  async end() {
    while (await this.#read());
    assert.ok(this.raw.endsWith('\n\n'), `torn: ${JSON.stringify(this.raw.slice(-200))}`);
    assert.ok(this.last, `no end frame: ${JSON.stringify(this.raw.slice(-200))}`);
    return this;
  }
}
