// Server-Sent Events of a fetched answer (docs/streaming.md describes the frames).
import { createParser } from 'eventsource-parser';

/** Calls `onFrame(frame, id)` for each frame, in order, as soon as its bytes are there, and `onBytes` for whatever comes.
 * Resolves at the body's end, rejects when the connection breaks. `isOver()` ends it between two frames. */
export async function readFrames(answer, onFrame, isOver, onBytes) {
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  const parser = createParser({
    onEvent: ({ id, data }) => {
      if (!isOver()) onFrame(JSON.parse(data), id);
    },
  });
  while (!isOver()) {
    const { value, done } = await reader.read();
    if (done) return;
    onBytes();
    parser.feed(decoder.decode(value, { stream: true }));
  }
  reader.cancel().catch(() => {});
}
