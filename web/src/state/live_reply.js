// The text of a reply that is being written. Frames are joined: whoever shows it hears of them once per frame of the
// screen, however fast they come.
import { batch, signal } from '@preact/signals';

export class LiveReply {
  content = signal('');
  reasoning = signal('');
  /** `sending`, `thinking`, `writing`; and whether the connection is lost at the moment. */
  phase = signal('sending');
  waiting = signal(false);
  reasoningSeconds = signal(undefined);

  #content = '';
  #reasoning = '';
  #scheduled = false;
  #thoughtSince = 0;

  /** Takes the text of a frame; true when it was something to show. */
  take(frame) {
    if (frame.reset) {
      this.#content = frame.content;
      this.#reasoning = frame.reasoning ?? '';
    } else {
      if (frame.reasoning) this.#think(frame.reasoning);
      if (frame.content) this.#write(frame.content);
    }
    this.#schedule();
  }

  /** The whole text, also what is not shown yet. */
  get text() {
    return { content: this.#content, reasoning: this.#reasoning };
  }

  #think(text) {
    if (!this.#reasoning) this.#thoughtSince = performance.now();
    this.#reasoning += text;
  }

  #write(text) {
    if (!this.#content && this.#reasoning) {
      this.reasoningSeconds.value = Math.max(1, Math.round((performance.now() - this.#thoughtSince) / 1000));
    }
    this.#content += text;
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  flush() {
    batch(() => {
      this.content.value = this.#content;
      this.reasoning.value = this.#reasoning;
      if (this.#content) this.phase.value = 'writing';
      else if (this.#reasoning) this.phase.value = 'thinking';
    });
  }
}
