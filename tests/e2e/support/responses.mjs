// The Responses door: what tests ask, and its streams, read with a stock parser and checked event by event.
import assert from 'node:assert/strict';
import { createParser } from 'eventsource-parser';

const ENDS = ['response.completed', 'response.incomplete', 'response.failed'];

/** Reads a stream of events, at most until one satisfies `enough`: [{type, sequence_number, …}].
 * `after`: the number of the last event that is known. */
export async function readEvents(response, { after = -1, enough = () => false } = {}) {
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/, 'a stream');
  const events = [];
  let done = false;
  let last = after;
  const parser = createParser({
    onEvent({ event, data, id }) {
      assert.equal(done, false, 'nothing comes behind the marker');
      assert.equal(id, undefined);
      if (data === '[DONE]') {
        done = true;
        return;
      }
      const read = JSON.parse(data);
      assert.equal(read.type, event, 'the event has its name twice');
      assert.ok(read.sequence_number > last, `${read.sequence_number} does not rise over ${last}`);
      last = read.sequence_number;
      events.push(read);
    },
    onError(error) { throw error; },
  });
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for await (const piece of response.body) {
    parser.feed(decoder.decode(piece, { stream: true }));
    if (events.some(enough)) return events; // which cancels the body
  }
  assert.equal(done, true, 'the stream ends with its marker');
  assert.ok(events.length === 0 || ENDS.includes(events.at(-1).type), 'the response is the last event');
  return events;
}

const isDelta = (event) => event.type.endsWith('.delta');

/** The same events however their deltas were cut: neighbours of one item are joined, and have the
 * number of the last one. */
export function joined(events) {
  const list = [];
  for (const event of events) {
    const last = list.at(-1);
    if (isDelta(event) && last?.type === event.type && last.item_id === event.item_id) {
      list[list.length - 1] = { ...event, delta: last.delta + event.delta };
    } else {
      list.push(event);
    }
  }
  return list;
}

/** The output as a client puts it together from the events. */
export function gather(events) {
  const output = [];
  for (const event of events) {
    if (event.type === 'response.output_item.added') {
      assert.equal(event.output_index, output.length, 'items begin in their order');
      output.push({ id: event.item.id, type: event.item.type, text: '' });
    } else if (isDelta(event)) {
      const item = output[event.output_index];
      assert.equal(item.id, event.item_id);
      item.text += event.delta;
    }
  }
  return output;
}

/** The same of a response object. */
export const shown = (response) => response.output.map((item) => ({
  id: item.id,
  type: item.type,
  text: item.arguments ?? (item.content ?? item.summary).map((part) => part.text).join(''),
}));

export const PATH = '/v1/responses';

/** A function that a response may call. */
export const TOOL = { type: 'function', name: 'get_weather', parameters: { type: 'object' } };

export const create = (user, body) => user.ok('POST', PATH, body);

export const textOf = (response) =>
  response.output.flatMap((item) => item.content ?? []).map((part) => part.text).join('');

/** The events of a new response. */
export const stream = async (user, body, options) =>
  readEvents(await user.fetch('POST', PATH, { ...body, stream: true }), options);

/** The events of a stored response behind the one with this number; -1 = all. */
export const resume = async (user, id, number) => readEvents(
  await user.fetch('GET', `${PATH}/${id}?stream=true${number < 0 ? '' : `&starting_after=${number}`}`),
  { after: number },
);

/** An error in OpenAI's shape; its text. */
export function assertRefused(answer, status, code, param) {
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(Object.keys(answer.body.error).sort(), ['code', 'message', 'param', 'type']);
  assert.equal(answer.body.error.code, code);
  if (param) assert.equal(answer.body.error.param, param);
  return answer.body.error.message;
}
