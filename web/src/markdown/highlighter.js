// Code as a tree of spans, by lowlight (highlight.js's grammars without its HTML).
import bash from 'highlight.js/lib/languages/bash';
import cpp from 'highlight.js/lib/languages/cpp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import go from 'highlight.js/lib/languages/go';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import lua from 'highlight.js/lib/languages/lua';
import python from 'highlight.js/lib/languages/python';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import { createLowlight } from 'lowlight';
import { h } from 'preact';

const lowlight = createLowlight({
  bash, cpp, css, diff, go, java, javascript, json, lua, python, rust, sql, typescript, xml, yaml,
});
lowlight.registerAlias({ cpp: ['c', 'h'], bash: ['shell', 'console', 'zsh'], json: ['jsonc', 'json5'] });

function toElement(node, key) {
  if (node.type === 'text') return node.value;
  return h('span', { key, class: node.properties.className?.join(' ') }, node.children.map(toElement));
}

/** null for a language that is not here. */
export function highlight(code, language) {
  try {
    return lowlight.highlight(language, code).children.map(toElement);
  } catch {
    return null;
  }
}
