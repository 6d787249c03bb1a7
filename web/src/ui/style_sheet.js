// Style sheets of the parts that are loaded later. The page's head names them with a `rel` that browsers ignore.

/** Loads the sheet of a part; resolves when it is in force, or cannot be had. */
export function loadStyle(part) {
  const link = document.querySelector(`link[data-part="${part}"]`);
  if (!link || link.rel === 'stylesheet') return Promise.resolve();
  return new Promise((done) => {
    link.onload = done;
    link.onerror = done;
    link.rel = 'stylesheet';
  });
}
