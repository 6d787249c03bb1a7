// Builds web/dist of web/src: `node build.mjs` (after `npm ci`), or `node build.mjs --out FOLDER`.
// Prints the sizes and fails when the page has grown beyond its limits.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Limits in bytes, gzipped: what the first load transfers, and all chunks together. */
const FIRST_LOAD_MAX = 40 * 1024;
const ALL_MAX = 160 * 1024;

const ROOT = fileURLToPath(new URL('.', import.meta.url));
const LANGUAGES = join(ROOT, 'src/i18n/languages');
const outFlag = process.argv.indexOf('--out');
const OUT = outFlag > 0 ? resolve(process.argv[outFlag + 1]) : join(ROOT, 'dist');

/** Style sheets: the page's own, and those of what is loaded later. */
const STYLES = { page: 'src/styles/page.css', reply: 'src/styles/reply.css', extras: 'src/styles/extras.css' };

const TARGET = ['chrome123', 'firefox121', 'safari17.5'];

const gzipped = (bytes) => gzipSync(bytes, { level: 9 }).length;

/** The module `languages`: the languages' own names by code, and what loads their texts. Each is one file. */
async function languagesModule() {
  const files = readdirSync(LANGUAGES).filter((name) => name.endsWith('.js')).sort();
  const names = {};
  for (const file of files) {
    const { default: texts } = await import(pathToFileURL(join(LANGUAGES, file)));
    names[basename(file, '.js')] = texts.language_name;
  }
  const loaders = files.map((file) => `${basename(file, '.js')}: () => import('./${file}')`);
  return `export const LANGUAGES = ${JSON.stringify(names)};\nexport const loaders = { ${loaders.join(', ')} };\n`;
}

const languages = {
  name: 'languages',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^languages$/ }, () => ({ path: 'languages', namespace: 'made' }));
    onLoad({ filter: /./, namespace: 'made' }, async () => ({ contents: await languagesModule(), resolveDir: LANGUAGES }));
  },
};

/** Writes a file beside the chunks, with its hash in its name. */
function addAsset(fileName, bytes) {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 8).toUpperCase();
  const name = fileName.replace(/(\.\w+)$/, `-${hash}$1`);
  writeFileSync(join(OUT, 'assets', name), bytes);
  return `assets/${name}`;
}

/** All files that an output file needs before it can run. */
function withImports(outputs, path, seen = new Set()) {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const { path: imported, kind } of outputs[path].imports) {
    if (kind === 'import-statement') withImports(outputs, imported, seen);
  }
  return seen;
}

const PACKAGE = /node_modules\/((?:@[^/]+\/)?[^/]+)\//;

/** The licences of the packages whose code is in the page. */
function licenceTexts(inputs) {
  const names = new Set(Object.keys(inputs).map((path) => PACKAGE.exec(path)?.[1]).filter(Boolean));
  return [...names].sort().map((name) => {
    const folder = join(ROOT, 'node_modules', name);
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? readFileSync(join(folder, file), 'utf8') : '';
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  }).join('\n\n');
}

/** The document in which images from elsewhere are shown; the server knows it by its name (core/app/page/page.c). */
async function writeImageFrame() {
  const { outputFiles: [script] } = await build({
    absWorkingDir: ROOT, entryPoints: ['src/image_frame.js'], write: false, bundle: true, minify: true, format: 'iife',
    target: TARGET,
  });
  const path = addAsset('image_frame.js', script.contents);
  const html = readFileSync(join(ROOT, 'src/image_frame.html'), 'utf8').replace('{script}', basename(path));
  return [addAsset('image_frame.html', html), path];
}

function writePage({ inputs, outputs }, { script, style, later }) {
  const inPage = (path) => relative('out', path);
  const preloads = [...withImports(outputs, script)].filter((path) => path !== script)
    .map((path) => `<link rel="modulepreload" href="${inPage(path)}">`);
  const laterStyles = Object.entries(later)
    .map(([part, path]) => `<link rel="later" data-part="${part}" href="${inPage(path)}">`);
  const marks = {
    icon: addAsset('icon.svg', readFileSync(join(ROOT, 'src/icon.svg'))),
    licences: addAsset('licences.txt', licenceTexts(inputs)),
    style: inPage(style),
    script: inPage(script),
    links: [...preloads, ...laterStyles].map((link) => `${link}\n`).join(''),
  };
  // 404.html is shown at any depth: the server puts the page's address in place of its {base}.
  for (const name of ['index.html', '404.html']) {
    const html = readFileSync(join(ROOT, 'src', name), 'utf8');
    writeFileSync(join(OUT, name), html.replace(/\{(\w+)\}/g, (mark, key) => marks[key] ?? mark));
  }
}

/** Prints a line for each file; [first load, all] in bytes. */
function report(outputs, { script, style, language }, others) {
  const first = withImports(outputs, script);
  first.add(style).add(language);
  const rows = Object.entries(outputs).map(([path, { bytes }]) => ({
    path, bytes, gzip: gzipped(readFileSync(join(OUT, relative('out', path)))), first: first.has(path),
  }));
  for (const name of ['index.html', ...others]) {
    const bytes = readFileSync(join(OUT, name));
    rows.push({ path: `out/${name}`, bytes: bytes.length, gzip: gzipped(bytes), first: name === 'index.html' });
  }
  rows.sort((a, b) => b.first - a.first || b.gzip - a.gzip);
  for (const row of rows) {
    const name = relative('out', row.path).replace(/-[0-9A-Z]{8}\./, '.');
    const sizes = `${String(row.bytes).padStart(8)} ${String(row.gzip).padStart(8)} gzip`;
    console.log(`${name.padEnd(28)} ${sizes} ${row.first ? 'first load' : ''}`.trimEnd());
  }
  const sum = (list) => list.reduce((total, row) => total + row.gzip, 0);
  return [sum(rows.filter((row) => row.first)), sum(rows)];
}

const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

function check(name, bytes, max) {
  console.log(`${name}: ${kib(bytes)} gzip, at most ${kib(max)}`);
  if (bytes > max) {
    console.error(`${name} is over its limit`);
    process.exitCode = 1;
  }
}

rmSync(OUT, { recursive: true, force: true });
mkdirSync(join(OUT, 'assets'), { recursive: true });

const result = await build({
  absWorkingDir: ROOT,
  entryPoints: ['src/main.jsx', ...Object.values(STYLES)].map((path) => ({ in: path, out: basename(path).split('.')[0] })),
  outdir: 'out', // names only: the files are written below
  write: false,
  bundle: true,
  splitting: true,
  format: 'esm',
  target: TARGET,
  minify: true,
  legalComments: 'none',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  entryNames: 'assets/[name]-[hash]',
  chunkNames: 'assets/[name]-[hash]',
  assetNames: 'assets/[name]-[hash]',
  plugins: [languages],
  metafile: true,
  logLevel: 'warning',
});

for (const file of result.outputFiles) {
  writeFileSync(join(OUT, relative(join(ROOT, 'out'), file.path)), file.contents);
}
const { outputs } = result.metafile;
const outputOf = (source) => Object.keys(outputs).find((path) => outputs[path].entryPoint === source);
const imageFrame = await writeImageFrame();
const parts = {
  script: outputOf('src/main.jsx'),
  style: outputOf(STYLES.page),
  later: { reply: outputOf(STYLES.reply), extras: outputOf(STYLES.extras), image: `out/${imageFrame[0]}` },
  language: outputOf('src/i18n/languages/zh.js'),
};
writePage(result.metafile, parts);
const [first, all] = report(outputs, parts, imageFrame);
check('first load', first, FIRST_LOAD_MAX);
check('all chunks', all, ALL_MAX);
