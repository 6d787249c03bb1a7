// One turn: a message is sent, and its reply followed to the end. A turn that was found running (after a refresh, in
// another tab) is joined instead.
import { Follower } from '../api/follower.js';
import { sendMessage } from '../api/messages.js';
import { LiveReply } from './live_reply.js';
import { removeFromOutbox } from './outbox.js';
import { writeReasoningTime } from './reasoning_times.js';

export class Turn {
  live = new LiveReply();
  #conversation;
  #follower;
  #replyKey;
  #entry;
  #onBegun;
  #onEnd;

  /** `replyKey`: the message that shows the reply. `onBegun()`: the server has stored the message and the reply runs;
   * `onEnd({frame, error, …})`: it is over. */
  constructor(conversation, replyKey, { onBegun = () => {}, onEnd }) {
    this.#conversation = conversation;
    this.#replyKey = replyKey;
    this.#onBegun = onBegun;
    this.#onEnd = onEnd;
    this.#follower = new Follower(conversation.id, {
      onFrame: (frame, id) => this.#take(frame, id),
      onWaiting: (waiting) => { this.live.waiting.value = waiting; },
      onGone: () => this.#end({}),
      onRefused: (error) => this.#end({ error }),
    });
  }

  /** Sends the outbox's entry, as often as it takes. */
  send(entry) {
    this.#entry = entry;
    this.#run({
      connect: async (signal) => {
        const answer = await sendMessage(entry.body, entry.key, signal);
        removeFromOutbox(entry.key);
        this.#onBegun();
        return answer;
      },
    });
  }

  /** Joins the reply with this id, from its beginning. */
  join(messageId) {
    this.#run({ position: `${messageId}.0` });
  }

  #run(options) {
    if (document.visibilityState === 'hidden') this.pause();
    this.#follower.run(options);
  }

  pause() {
    this.#follower.pause();
  }

  resume() {
    this.#follower.resume();
  }

  close() {
    this.#follower.close();
  }

  #take(frame, id) {
    const messageId = Number(id?.split('.')[0]);
    const shown = this.#conversation.messages.value.find((message) => message.key === this.#replyKey);
    if (messageId && shown && shown.id === null) this.#conversation.update(this.#replyKey, { id: messageId });
    this.live.take(frame);
    if (frame.done) this.#end({ frame });
  }

  #end({ frame, error }) {
    this.live.flush();
    const { content, reasoning } = this.live.text;
    const seconds = this.live.reasoningSeconds.value;
    if (frame?.message_id && seconds) writeReasoningTime(frame.message_id, seconds);
    if (this.#entry) removeFromOutbox(this.#entry.key);
    this.#onEnd({ frame, error, content, reasoning, seconds, entry: this.#entry });
  }
}
