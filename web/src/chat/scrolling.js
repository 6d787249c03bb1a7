// Scrolling follows the text only while the reader is at the bottom, and never pulls them back.
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect } from 'preact/hooks';

/** How near to the bottom counts as being there. */
const NEAR = 48;

const fromBottom = (element) => element.scrollHeight - element.scrollTop - element.clientHeight;

/** Keeps `scroller` at its bottom while the reader is there. Returns {atBottom, toBottom}. */
export function useBottom(scroller, content) {
  const atBottom = useSignal(true);
  const toBottom = () => {
    atBottom.value = true;
    scroller.current.scrollTop = scroller.current.scrollHeight;
  };
  useEffect(() => {
    const element = scroller.current;
    let top = element.scrollTop;
    const onScroll = () => {
      const up = element.scrollTop < top - 1;
      top = element.scrollTop;
      const near = fromBottom(element) < NEAR;
      // Content that grows moves the bottom away; only going up is the reader's doing.
      if (near) atBottom.value = true;
      else if (up) atBottom.value = false;
    };
    const follow = new ResizeObserver(() => {
      if (atBottom.peek()) element.scrollTop = element.scrollHeight;
    });
    element.addEventListener('scroll', onScroll, { passive: true });
    follow.observe(content.current);
    follow.observe(element);
    return () => {
      follow.disconnect();
      element.removeEventListener('scroll', onScroll);
    };
  }, []);
  useLayoutEffect(() => {
    scroller.current.scrollTop = scroller.current.scrollHeight;
  }, []);
  return { atBottom, toBottom };
}

/** Calls `load` when `mark` comes near to what is shown. */
export function useNear(mark, scroller, load, changed) {
  useEffect(() => {
    if (!mark.current) return undefined;
    const observer = new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting) load();
    }, { root: scroller.current, rootMargin: '600px 0px' });
    observer.observe(mark.current);
    return () => observer.disconnect();
  }, [changed]);
}
