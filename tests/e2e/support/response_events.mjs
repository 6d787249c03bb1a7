// Streams of the Responses door, read with a stock parser and checked event by event.
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
