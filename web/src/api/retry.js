// Trying again while the server cannot be reached; sooner when the network comes back.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;

export function pauseOrOnline(ms) {
  return new Promise((done) => {
    const finish = () => {
      clearTimeout(timer);
      removeEventListener('online', finish);
      done();
    };
    const timer = setTimeout(finish, ms);
    addEventListener('online', finish);
  });
}

/** What `action` gives, as soon as it can be had; an error that will not pass is thrown. `onFailure(error)` is told each
 * time; when it answers true, that is the end. */
export async function untilReached(action, onFailure = () => false) {
  for (let wait = FIRST_WAIT; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
    try {
      return await action();
    } catch (error) {
      if (onFailure(error) || !error.passing) throw error;
    }
    await pauseOrOnline(wait);
  }
}
