// How long models thought before they answered. Only who was there can know, so it is kept here, for the latest replies.
import { readStored, writeStored } from './storage.js';

const KEPT = 200;
let times; // [[message id, seconds]]

const read = () => {
  times ??= readStored('reasoning_times') ?? [];
  return times;
};

export const readReasoningTime = (id) => read().find(([known]) => known === id)?.[1];

export function writeReasoningTime(id, seconds) {
  times = [...read().filter(([known]) => known !== id), [id, seconds]].slice(-KEPT);
  writeStored('reasoning_times', times);
}
