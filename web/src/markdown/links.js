// Which addresses of a reply may be followed.

const SAFE = new Set(['http:', 'https:', 'mailto:', 'tel:']);

/** The address if it is a whole one of a harmless kind, else null: a relative one would lead into this page. */
export function safeAddress(href) {
  try {
    const url = new URL(href);
    return SAFE.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Images that stand in the reply itself. SVG is left out: it is a document. */
export const isEmbeddedImage = (href) => /^data:image\/(png|jpeg|gif|webp);base64,[a-z0-9+/=]+$/i.test(href);
