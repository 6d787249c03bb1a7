// What happens to pages: they are refreshed, hidden, lose the network. At moments that a seed decides, so that a failure
// can be repeated.
import { pause } from '../../e2e/support/limits.mjs';

/** Mulberry32: numbers from 0 to 1. */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** As the browser tells it when somebody looks at another tab. */
export function setVisible(page, visible) {
  return page.evaluate((state) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
    document.dispatchEvent(new Event('visibilitychange'));
  }, visible ? 'visible' : 'hidden');
}

export const DISTURBANCES = {
  async refresh({ page }) {
    await page.reload();
  },
  async offline({ context }, random) {
    await context.setOffline(true);
    await pause(50 + random() * 400);
    await context.setOffline(false);
  },
  async cut({ site }) {
    site.dropAll();
  },
  async cutInsideFrame({ site }, random) {
    let left = 1 + Math.floor(random() * 3);
    site.cut = () => {
      left -= 1;
      return left === 0;
    };
    await pause(150);
    site.cut = () => false;
  },
  async hidden({ page }, random) {
    await setVisible(page, false);
    await pause(50 + random() * 300);
    await setVisible(page, true);
  },
};
