// What the parts of the section nodes share.
import { spawn } from 'node:child_process';
import { percentile, sorted } from './numbers.mjs';

/** The upstream's base URL for a scenario. */
export const upstream = (scenario) => `http://${process.env.MOCK}/${scenario}/v1`;

/** Runs a program, and returns what it printed. */
export async function output(program, args, env = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (piece) => { text += piece; });
  const code = await new Promise((done, failed) => { child.once('close', done); child.once('error', failed); });
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${text}`);
  return text;
}

export const median = (values) => percentile(sorted(values), 0.5);

function number(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** A table in Markdown; numbers become text. */
export function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => (typeof cell === 'number' ? number(cell) : cell)).join(' | ')} |`;
  console.log(['', line(head), `|---|${'---:|'.repeat(head.length - 1)}`, ...rows.map(line)].join('\n'));
}
