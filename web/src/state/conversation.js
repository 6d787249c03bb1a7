// The messages of the session on screen: a window of the path from the beginning to a leaf of the session's tree. It
// grows towards older messages when somebody scrolls there, and gives up what is far away, so that it stays small.
import { batch, computed, signal } from '@preact/signals';
import * as api from '../api/messages.js';
import { untilReached } from '../api/retry.js';
import { fromWire, merged } from './message.js';

const PAGE = 40;
/** Messages in the window at most, about. */
const WINDOW_MAX = 240;

export class Conversation {
  messages = signal([]);
  /** `loading`, `ready`, `failed` (then `error`). */
  status = signal('ready');
  error = signal(null);
  hasOlder = signal(false);
  /** Whether messages follow the window on the path; it ends in `#end` then. */
  hasNewer = signal(false);
  #end = 0;
  /** The leaf that was chosen; 0: the newest message. */
  leaf = 0;
  /** The turn that is running here, see turn.js. */
  turn = signal(null);
  /** The message that a search led to. */
  target = signal(0);
  /** Chosen here; '' as the session has them, see choice.js. */
  model = signal('');
  persona = signal('');
  /** Files that go with the next message, see attachments.js. */
  attachments = signal([]);
  busy = computed(() => this.turn.value !== null);

  #loading = false;
  closed = false;

  /** `id` '' is a new chat. */
  constructor(id) {
    this.id = id;
  }

  /** Loads the newest messages, or those around `target`; as often as the network wants it. */
  async open(target = 0) {
    this.status.value = 'loading';
    const failed = (error) => {
      this.error.value = error;
      this.status.value = 'failed';
      return this.closed;
    };
    await untilReached(() => this.#load(target), failed).catch(() => {});
  }

  async #load(target) {
    const page = await (target ? this.#around(target) : this.#newest());
    if (this.closed) return;
    const known = new Map(this.messages.value.map((message) => [message.id, message]));
    batch(() => {
      this.messages.value = page.data.map((row) => merged(known.get(row.id), fromWire(row)));
      this.hasOlder.value = page.has_more;
    });
    this.target.value = target;
    this.status.value = 'ready';
  }

  async #newest() {
    const page = await api.listMessages(this.id, { limit: PAGE });
    this.leaf = 0;
    this.hasNewer.value = false;
    return page;
  }

  /** The page around a message, on the newest branch through it. */
  async #around(id) {
    const page = await api.listMessages(this.id, { around: id, limit: PAGE });
    this.leaf = page.leaf === page.newest ? 0 : page.leaf;
    this.#end = page.leaf;
    this.hasNewer.value = page.has_newer;
    return page;
  }

  async loadOlder() {
    const [first] = this.messages.value;
    if (this.#loading || !this.hasOlder.value || !first?.id) return;
    this.#loading = true;
    try {
      const page = await api.listMessages(this.id, { cursor: first.id, limit: PAGE });
      if (this.closed || this.messages.value[0] !== first) return;
      const all = [...page.data.map(fromWire), ...this.messages.value];
      const kept = this.busy.value ? all : all.slice(0, WINDOW_MAX);
      batch(() => {
        if (kept.length < all.length) this.#leaveEnd(all.at(-1).id);
        this.messages.value = kept;
        this.hasOlder.value = page.has_more;
      });
    } finally {
      this.#loading = false;
    }
  }

  /** The window gives its last messages up. */
  #leaveEnd(last) {
    if (!this.hasNewer.value) this.#end = last;
    this.hasNewer.value = true;
  }

  async loadNewer() {
    const last = this.messages.value.at(-1);
    if (this.#loading || !this.hasNewer.value || !last?.id) return;
    this.#loading = true;
    try {
      const page = await api.listMessages(this.id, { after: last.id, leaf: this.#end, limit: PAGE });
      if (this.closed || this.messages.value.at(-1) !== last) return;
      const all = [...this.messages.value, ...page.data.map(fromWire)];
      const kept = all.slice(-WINDOW_MAX);
      batch(() => {
        this.hasNewer.value = page.has_newer;
        this.messages.value = kept;
        if (kept.length < all.length) this.hasOlder.value = true;
      });
    } finally {
      this.#loading = false;
    }
    if (!this.hasNewer.value) await this.refresh(); // what came after the end that was known
  }

  /** Brings the window's end up to date: after a turn, after another tab wrote, when the page is shown again. */
  async refresh() {
    if (!this.id || this.hasNewer.value || this.status.value === 'loading') return;
    const page = await api.listMessages(this.id, { limit: PAGE, leaf: this.leaf || undefined });
    if (!this.closed) this.applyEnd(page);
  }

  /** Joins a page that ends in the leaf with what is there. */
  applyEnd(page) {
    const have = this.messages.value;
    const known = new Map(have.map((message) => [message.id, message]));
    const fresh = page.data.map((row) => merged(known.get(row.id), fromWire(row)));
    const begin = fresh.length ? have.findIndex((message) => message.id === fresh[0].id) : -1;
    const unsent = have.filter((message) => message.id === null);
    const all = [...(begin > 0 ? have.slice(0, begin) : []), ...fresh, ...unsent];
    const unchanged = all.length === have.length && all.every((message, i) => message === have[i]);
    if (unchanged) return;
    batch(() => {
      this.messages.value = all;
      if (begin < 0) this.hasOlder.value = page.has_more;
    });
  }

  /** Shows the branch that goes through `siblingId`, around it. */
  async showBranch(siblingId) {
    const page = await this.#around(siblingId);
    if (!this.closed) this.applyEnd(page);
  }

  /** Replaces one message by its key. */
  update(key, changes) {
    this.messages.value = this.messages.value.map((message) => (
      message.key === key ? { ...message, ...changes } : message));
  }

  close() {
    this.closed = true;
    this.turn.value?.close();
  }
}
