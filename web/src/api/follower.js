// Follows one reply to its end, over as many connections as that takes: a broken one is opened again at the position of
// the last frame. A hidden page pauses it, so that many tabs never use up the browser's connections to one server.
import { ApiError } from './http.js';
import { readFrames } from './events.js';
import { resumeReply } from './messages.js';

const FIRST_WAIT = 250;
const LONGEST_WAIT = 8000;
/** The server sends something at least every 10 s; after this long the connection is dead, for example after a sleep. */
const SILENCE_MAX = 25000;

export class Follower {
  #handlers;
  #sessionId;
  #connect;
  #position;
  #paused = false;
  #over = false;
  #abort = null;
  #wake = () => {};
  #lastByte = 0;

  /** `handlers`: onFrame(frame, id), onWaiting(bool) when the connection is lost or found, onGone() when no such reply
   * runs, onRefused(error). After onGone, onRefused or a frame that is done, nothing more is called. */
  constructor(sessionId, handlers) {
    this.#sessionId = sessionId;
    this.#handlers = handlers;
  }

  /** `connect(signal)` makes the first connection, and is repeated until one has told a position; `position`: instead
   * of that, where to begin. */
  async run({ connect, position }) {
    this.#connect = connect;
    this.#position = position;
    const watch = setInterval(() => this.#checkSilence(), 5000);
    const awake = () => this.#wake();
    addEventListener('online', awake);
    try {
      await this.#loop();
    } finally {
      clearInterval(watch);
      removeEventListener('online', awake);
    }
  }

  pause() {
    this.#paused = true;
    if (this.#position) this.#abort?.abort(); // a message that is being sent is sent first
  }

  resume() {
    this.#paused = false;
    this.#wake();
  }

  close() {
    this.#over = true;
    this.#abort?.abort();
    this.#wake();
  }

  get #interrupted() {
    return this.#over || (this.#paused && Boolean(this.#position));
  }

  async #loop() {
    let wait = FIRST_WAIT;
    while (!this.#over) {
      if (this.#interrupted) {
        await this.#sleep(LONGEST_WAIT * 1000);
        continue;
      }
      const before = this.#position;
      try {
        await this.#once();
      } catch (error) {
        if (error instanceof ApiError && !error.passing) {
          if (!this.#over) this.#handlers.onRefused(error);
          this.#over = true;
        } else if (error.retryAfter) {
          wait = Math.max(wait, error.retryAfter * 1000);
        }
      }
      if (this.#over || this.#paused) continue;
      if (this.#position !== before) wait = FIRST_WAIT;
      this.#handlers.onWaiting(true);
      await this.#sleep(navigator.onLine ? wait : LONGEST_WAIT);
      wait = Math.min(2 * wait, LONGEST_WAIT);
    }
  }

  /** One connection, to its end. */
  async #once() {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#lastByte = Infinity; // the head may take as long as it takes
    const answer = this.#position === undefined && this.#connect
      ? await this.#connect(signal)
      : await resumeReply(this.#sessionId, this.#position, signal);
    if (answer.status === 204) {
      this.#over = true;
      this.#handlers.onGone();
      return;
    }
    this.#lastByte = Date.now();
    this.#handlers.onWaiting(false);
    await readFrames(answer, (frame, id) => this.#take(frame, id), () => this.#interrupted, () => {
      this.#lastByte = Date.now();
    });
  }

  #take(frame, id) {
    if (id) this.#position = id;
    if (frame.done) this.#over = true;
    this.#handlers.onFrame(frame, id);
  }

  #checkSilence() {
    if (Date.now() - this.#lastByte > SILENCE_MAX) this.#abort?.abort();
  }

  #sleep(ms) {
    return new Promise((done) => {
      const timer = setTimeout(done, Math.min(ms, 2 ** 31 - 1));
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}
