// A strict reader of Prometheus' text format 0.0.4: whatever it allows and a careful server would
// not write is an error here.
import assert from 'node:assert/strict';

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/;
const TYPES = ['counter', 'gauge', 'histogram'];

function readLabels(text, line) {
  const labels = {};
  let rest = text;
  while (rest) {
    const match = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/.exec(rest);
    assert.ok(match, `labels: ${line}`);
    assert.ok(!(match[1] in labels), `a label twice: ${line}`);
    labels[match[1]] = match[2].replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    rest = rest.slice(match[0].length);
    assert.ok(match[3] === '' || rest, `a comma at the end: ${line}`);
  }
  return labels;
}

function readSample(line) {
  const match = /^([^{ ]+)(?:\{(.*)\})? (\S+)$/.exec(line);
  assert.ok(match, `a line that is no sample: ${line}`);
  assert.match(match[1], NAME);
  assert.match(match[3], VALUE, line);
  return { name: match[1], labels: readLabels(match[2] ?? '', line), value: Number(match[3].replace('Inf', 'Infinity')) };
}

function checkHistogram(name, samples) {
  const series = new Map();
  for (const { name: part, labels: { le, ...labels }, value } of samples) {
    const key = JSON.stringify(labels);
    const one = series.get(key) ?? { buckets: [] };
    series.set(key, one);
    if (part === `${name}_bucket`) one.buckets.push([Number(le.replace('Inf', 'Infinity')), value]);
    else if (part === `${name}_sum`) one.sum = value;
    else if (part === `${name}_count`) one.count = value;
    else assert.fail(`${part} is no part of a histogram`);
  }
  for (const { buckets, sum, count } of series.values()) {
    for (let i = 1; i < buckets.length; i += 1) {
      assert.ok(buckets[i][0] > buckets[i - 1][0], `${name}: limits rise`);
      assert.ok(buckets[i][1] >= buckets[i - 1][1], `${name}: buckets add up`);
    }
    assert.equal(buckets.at(-1)[0], Infinity);
    assert.equal(buckets.at(-1)[1], count);
    assert.ok(sum >= 0);
  }
}

/** Map of family name to {type, help, samples}. */
export function readExposition(text) {
  assert.ok(text.endsWith('\n'), 'the last line ends');
  const families = new Map();
  let current;
  const lines = text.slice(0, -1).split('\n');
  for (let i = 0; i < lines.length; i += 1) {
    const help = /^# HELP (\S+) (.+)$/.exec(lines[i]);
    if (help) {
      const type = /^# TYPE (\S+) (\S+)$/.exec(lines[i + 1]);
      assert.ok(type && type[1] === help[1], `a type follows the help of ${help[1]}`);
      assert.ok(TYPES.includes(type[2]), type[2]);
      assert.match(help[1], NAME);
      assert.ok(!families.has(help[1]), `${help[1]} is there twice`);
      current = { name: help[1], help: help[2], type: type[2], samples: [] };
      families.set(current.name, current);
      i += 1;
    } else {
      const sample = readSample(lines[i]);
      assert.ok(current, 'a sample belongs to a family');
      const base = current.type === 'histogram' ? sample.name.replace(/_(bucket|sum|count)$/, '') : sample.name;
      assert.equal(base, current.name, 'samples of a family stand together');
      if (current.type === 'counter') {
        assert.match(sample.name, /_total$/);
        assert.ok(sample.value >= 0);
      }
      current.samples.push(sample);
    }
  }
  for (const { name, type, samples } of families.values()) {
    const seen = samples.map((sample) => JSON.stringify([sample.name, Object.entries(sample.labels).sort()]));
    assert.equal(new Set(seen).size, seen.length, `${name}: no series twice`);
    if (type === 'histogram') checkHistogram(name, samples);
  }
  return families;
}
