// The shape of a session: which message follows which, in all branches.
import { exportJson } from '../api/sessions.js';

export class MessageTree {
  #parents = new Map();
  #children = new Map();
  newest = 0;

  static async load(sessionId) {
    try {
      return new MessageTree((await exportJson(sessionId)).messages);
    } catch (error) {
      if (error.status === 0) throw error;
      return new MessageTree([]); // too large to be exported: then every message is its branch's end
    }
  }

  constructor(rows) {
    for (const { id, parent_id: parent } of rows) {
      this.#parents.set(id, parent);
      this.#children.set(parent, [...(this.#children.get(parent) ?? []), id]);
      this.newest = Math.max(this.newest, id);
    }
  }

  /** The newest message of the branches that go through `id`; a reply has a higher id than what it answers. */
  newestBelow(id) {
    const waiting = [id];
    let newest = id;
    while (waiting.length) {
      const next = waiting.pop();
      newest = Math.max(newest, next);
      waiting.push(...(this.#children.get(next) ?? []));
    }
    return newest;
  }

  /** The ids from the beginning to `id`. */
  pathTo(id) {
    const path = [];
    for (let at = id; at; at = this.#parents.get(at)) path.push(at);
    return path.reverse();
  }
}
