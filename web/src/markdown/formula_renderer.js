// TeX to MathML as elements of ours. Temml's tree is walked here; only elements of MathML come through.
import { h } from 'preact';
import temml from 'temml';

const ELEMENTS = new Set(['math', 'mrow', 'mi', 'mn', 'mo', 'ms', 'mtext', 'mspace', 'mfrac', 'msqrt', 'mroot', 'mstyle',
  'merror', 'mpadded', 'mphantom', 'msub', 'msup', 'msubsup', 'munder', 'mover', 'munderover', 'mmultiscripts',
  'mprescripts', 'none', 'mtable', 'mtr', 'mtd', 'menclose', 'semantics']);
const ATTRIBUTES = new Set(['accent', 'accentunder', 'columnalign', 'columnlines', 'columnspacing', 'columnspan', 'depth',
  'dir', 'display', 'displaystyle', 'fence', 'form', 'height', 'largeop', 'linethickness', 'lspace', 'mathsize',
  'mathvariant', 'maxsize', 'minsize', 'movablelimits', 'notation', 'rowlines', 'rowspacing', 'rspace', 'scriptlevel',
  'separator', 'stretchy', 'symmetric', 'voffset', 'width']);

function toElement(node) {
  if (typeof node.text === 'string') return node.text;
  const children = (node.children ?? []).map(toElement);
  if (!ELEMENTS.has(node.type)) return children;
  const properties = { class: node.classes?.filter(Boolean).join(' ') || undefined };
  for (const [name, value] of Object.entries(node.attributes ?? {})) {
    if (ATTRIBUTES.has(name)) properties[name] = String(value);
  }
  if (node.style && Object.keys(node.style).length) properties.style = { ...node.style };
  return h(node.type, properties, children);
}

/** null when the formula cannot be read. */
export function renderMath(source, display) {
  try {
    return toElement(temml.__renderToMathMLTree(source, { displayMode: display, throwOnError: true, maxExpand: 500 }));
  } catch {
    return null;
  }
}
