// CPU time of processes, for the sections written in JavaScript.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const TICKS = Number(execFileSync('getconf', ['CLK_TCK']));

/** CPU seconds of processes and of those children that have ended. */
export function cpuOf(pids) {
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
    return sum + fields.slice(11, 15).reduce((a, b) => a + Number(b), 0) / TICKS;
  }, 0);
}

/** The same of a process and its children, which may end meanwhile: then they are counted with it. */
export function cpuOfFamily(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  const theirs = children.map((child) => {
    try { return cpuOf([child]); } catch { return 0; }
  });
  return theirs.reduce((a, b) => a + b, cpuOf([pid]));
}
