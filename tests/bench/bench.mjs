// How long things take through the gateway, next to doing them without it: `make bench`.
//
// Four arms on the same stores, in one workerd process, interleaved so that noise hits all of them alike. Compare the
// ratios; the times are this machine's. ROUNDS, OPERATIONS (per arm and round) and BUILD (the folder of the compiled Worker)
// can be set from outside. Every commit of every store is an fsync: TMPDIR on a memory disk takes that noise out.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { performance } from 'node:perf_hooks';
import { projectFolder } from '../e2e/harness/settings.mjs';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { Connection, encode } from './connection.mjs';
import { measured, median, quantile, ratioByRound } from './figures.mjs';
import { measureShadow } from './shadow.mjs';

const rounds = Number(process.env.ROUNDS ?? 5);
const operationsPerRound = Number(process.env.OPERATIONS ?? 200);
const build = process.env.BUILD ?? 'build';
const warmUp = 30;
/** Requests of one arm before it is the next arm's turn. */
const turn = 20;
const starts = 5;
const limits = { live: 1.5, dry: 0.9, read: 1.6, gzip: 500_000 };

const update = (n) => sql('UPDATE tickets SET status = ?, priority = ? WHERE id = ?', [n % 2 ? 'open' : 'closed', n % 5, (n % 1000) + 1]);
const insert = (n) => sql('INSERT INTO notes (ticket, body) VALUES (?, ?)', [(n % 1000) + 1, `note ${n}: the customer called back`]);
const select = (n) => sql('SELECT id, subject, status, priority FROM tickets WHERE id = ?', [(n % 1000) + 1]);
const value = (n) => JSON.stringify({ queue: 'billing', open: n, agents: ['ada', 'grace'], updated: 1_785_000_000 + n });
const file = Buffer.alloc(4096, 'attachment ');

const writeArms = ['bare', 'naive', 'gateway live', 'naive dry', 'gateway dry'];
const writeRatios = [
  ['gateway live', 'naive', limits.live],
  ['gateway dry', 'naive dry', limits.dry],
  ['gateway live', 'bare'],
];
const readRatios = ['gateway live', 'gateway dry', 'gateway dry, own writes'].map((arm, index) => [arm, 'bare', index < 2 ? limits.read : null]);

/** What is measured: `request(n, arm)` is { store, key, body } of the n-th request. */
const operations = [
  { name: 'D1 update', arms: writeArms, ratios: writeRatios, request: (n) => ({ store: 'd1', body: update(n) }) },
  { name: 'D1 insert', arms: writeArms, ratios: writeRatios, request: (n) => ({ store: 'd1', body: insert(n) }) },
  { name: 'KV put, new key', arms: writeArms, ratios: writeRatios, request: (n, arm) => ({ store: 'kv', key: `${slug(arm)}-${n}`, body: value(n) }) },
  { name: 'KV put, same key', arms: writeArms, ratios: writeRatios, request: (n, arm) => ({ store: 'kv', key: `${slug(arm)}-counter`, body: value(n) }) },
  { name: 'R2 put, 4 KB', arms: writeArms, ratios: writeRatios, request: (n, arm) => ({ store: 'r2', key: `${slug(arm)}-${n}`, body: file }) },
  { name: 'D1 read', arms: ['bare', ...readRatios.map(([arm]) => arm)], ratios: readRatios, request: (n) => ({ store: 'd1', body: select(n) }) },
];

/** The run that an arm's requests belong to, one of each per round. Reads of a dry run are clean until it has written. */
const runOf = { 'gateway live': () => 'live', 'gateway dry': ({ name }) => (name === 'D1 read' ? 'clean' : 'dry'), 'gateway dry, own writes': () => 'dry' };

const gatewayPaths = {
  d1: () => '/client/v4/accounts/local/d1/database/DB/query',
  kv: (key) => `/client/v4/accounts/local/storage/kv/namespaces/CACHE/values/${key}`,
  r2: (key) => `/client/v4/accounts/local/r2/buckets/FILES/objects/${key}`,
};

const began = performance.now();
const baseline = readFileSync(new URL('./baseline_worker.js', import.meta.url), 'utf8');
const gateway = await startGateway({ build, proxied: false, neighbours: { baseline } });
const figures = [];
try {
  await fill();
  const results = await measureOperations();
  figures.push(...operations.flatMap((operation) => describe(operation, results.get(operation))));
  figures.push(...wasmSize(), ...(await timesToFirstResponse()));
} finally {
  await gateway.stop();
}
const shadow = await measureShadow(build, rounds, progress);
progress('');
console.log(`\n${bold('The SQLite of a dry run')}`);
for (const line of shadow) console.log(`  ${line.name.padEnd(70)}${String(line.value).padStart(9)} ${line.unit}${verdict(line)}`);
figures.push(...shadow);
const output = path.join(projectFolder, 'target', 'bench.json');
mkdirSync(path.dirname(output), { recursive: true });
writeFileSync(output, `${JSON.stringify(figures, null, 2)}\n`);
conclude();

async function fill() {
  const thousand = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)';
  await gateway.db.exec(`
    CREATE TABLE tickets (id INTEGER PRIMARY KEY, subject TEXT NOT NULL, body TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'open', priority INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE notes (id INTEGER PRIMARY KEY, ticket INTEGER NOT NULL REFERENCES tickets (id), body TEXT NOT NULL);
    INSERT INTO tickets (id, subject, body) ${thousand} SELECT i, 'Ticket ' || i, 'The invoice of month ' || (i % 12) || ' came twice, please look into it.' FROM n;
    INSERT INTO notes (ticket, body) ${thousand} SELECT i, 'first note' FROM n;`);
}

/** Returns, by operation and arm, the samples of each round in milliseconds. */
async function measureOperations() {
  const results = new Map(operations.map((operation) => [operation, Object.fromEntries(operation.arms.map((arm) => [arm, []]))]));
  const connections = { baseline: new Connection(gateway.portOf('baseline')), gateway: new Connection(gateway.portOf('gateway')) };
  const sent = {};
  for (let round = 0; round < rounds; round += 1) {
    const runs = await openRuns();
    for (const [index, operation] of operations.entries()) {
      progress(`round ${round + 1} of ${rounds}: ${operation.name}`);
      const samples = Object.fromEntries(operation.arms.map((arm) => [arm, []]));
      const rotated = operation.arms.map((_, place) => operation.arms[(place + round + index) % operation.arms.length]);
      const take = async (arm, count, into) => {
        const connection = connections[arm.startsWith('gateway') ? 'gateway' : 'baseline'];
        for (let done = 0; done < count; done += 1) {
          const request = encodeFor(arm, operation, (sent[arm] = (sent[arm] ?? 0) + 1), runs);
          const start = performance.now();
          const answer = await connection.send(request);
          into?.push(performance.now() - start);
          check(arm, operation, answer);
        }
      };
      for (const arm of rotated) await take(arm, warmUp);
      for (let done = 0; done < operationsPerRound; done += turn) {
        for (const arm of rotated) await take(arm, Math.min(turn, operationsPerRound - done), samples[arm]);
      }
      for (const arm of operation.arms) results.get(operation)[arm].push(samples[arm]);
    }
    await proveInert(round);
  }
  progress('');
  Object.values(connections).forEach((connection) => connection.close());
  return results;
}

async function openRuns() {
  const open = async (mode) => {
    const answer = await gateway.api('/v1/runs', { key: 'agent', json: { mode } });
    if (answer.status !== 201) throw new Error(`no run: ${answer.text}`);
    return answer.json;
  };
  return { live: await open('live'), dry: await open('dry_run'), clean: await open('dry_run') };
}

function encodeFor(arm, operation, n, runs) {
  const { store, key = '', body } = operation.request(n, arm);
  const method = store === 'd1' ? 'POST' : 'PUT';
  const headers = { 'content-type': store === 'r2' ? 'text/plain' : 'application/json' };
  if (!(arm in runOf)) {
    return encode({ method, path: `/${slug(arm)}/${store}/${key}?run=baseline-${slug(arm)}`, headers, body });
  }
  const { token } = runs[runOf[arm](operation)];
  return encode({ method, path: gatewayPaths[store](key), headers: { ...headers, authorization: `Bearer ${token}` }, body });
}

function check(arm, operation, { status, dry, body }) {
  if (status !== 200) throw new Error(`${operation.name}, ${arm}: ${status} ${body}`);
  if (dry !== arm.startsWith('gateway dry')) throw new Error(`${operation.name}, ${arm}: the wrong mode`);
}

/** A fast dry run that wrote would be worth nothing. */
async function proveInert(round) {
  const keys = (await gateway.cache.list()).filter(({ name }) => name.startsWith('gateway-dry'));
  const objects = await gateway.files.list({ prefix: 'gateway-dry' });
  const [{ count }] = await gateway.db.all('SELECT count(*) AS count FROM notes');
  const written = 1000 + (round + 1) * (operationsPerRound + warmUp) * 3;
  if (keys.length > 0 || objects.length > 0 || count !== written) throw new Error('a dry run wrote to a store');
}

function describe({ name, arms, ratios }, results) {
  console.log(`\n${bold(name.padEnd(26))}${'p50'.padStart(8)}${'p95'.padStart(9)}`);
  const lines = [];
  for (const arm of arms) {
    const all = results[arm].flat();
    const [p50, p95] = [median(all), quantile(all, 0.95)];
    console.log(`  ${arm.padEnd(24)}${p50.toFixed(2).padStart(8)}${p95.toFixed(2).padStart(9)} ms`);
    lines.push(measured(`${name}: ${arm}, p50`, p50, 'ms'), measured(`${name}: ${arm}, p95`, p95, 'ms'));
  }
  for (const [arm, other, target = null] of ratios) {
    const { value: ratio, least, most } = ratioByRound(results[arm], results[other]);
    const line = measured(`${name}: ${arm} / ${other}`, ratio, 'ratio', target);
    lines.push(line);
    const spread = `${least.toFixed(2)} to ${most.toFixed(2)}`;
    console.log(`  ${`${arm} / ${other}`.padEnd(38)}${`${ratio.toFixed(2)} ×`.padStart(8)}   (${spread})${verdict(line)}`);
  }
  return lines;
}

function wasmSize() {
  const wasm = readFileSync(path.resolve(projectFolder, build, 'index_bg.wasm'));
  const lines = [measured('wasm, raw', wasm.length, 'bytes'), measured('wasm, gzip', gzipSync(wasm, { level: 9 }).length, 'bytes', limits.gzip)];
  console.log(`\n${bold('Size of the Worker')}`);
  for (const line of lines) console.log(`  ${line.name.padEnd(24)}${String(line.value).padStart(10)} bytes${verdict(line)}`);
  return lines;
}

/** From the start of the workerd process. The baseline's first answer says how much of it is workerd's own. */
async function timesToFirstResponse() {
  const firsts = {
    'baseline, first answer': [],
    'gateway, first /health': [],
    'gateway, first authenticated': [],
  };
  const ask = async (name, request) => {
    await gateway.kill();
    const start = performance.now();
    await gateway.restart();
    const connection = new Connection(gateway.portOf(name));
    const { status, body } = await connection.send(request);
    const taken = performance.now() - start;
    connection.close();
    if (status !== 200) throw new Error(`first answer: ${status} ${body}`);
    return taken;
  };
  const requests = {
    'baseline, first answer': ['baseline', encode({ method: 'POST', path: '/bare/d1', body: select(1) })],
    'gateway, first /health': ['gateway', encode({ path: '/health' })],
    'gateway, first authenticated': ['gateway', encode({ path: '/v1/environment', headers: { authorization: `Bearer ${gateway.keys.agent}` } })],
  };
  for (let start = 0; start < starts; start += 1) {
    progress(`start ${start + 1} of ${starts}`);
    for (const [name, request] of Object.entries(requests)) firsts[name].push(await ask(...request));
  }
  progress('');
  console.log(`\n${bold('Time to first response')} (start of workerd included, median of ${starts})`);
  return Object.entries(firsts).map(([name, samples]) => {
    const line = measured(`time to first response: ${name}`, median(samples), 'ms');
    console.log(`  ${name.padEnd(30)}${line.value.toFixed(0).padStart(6)} ms   (${Math.min(...samples).toFixed(0)} to ${Math.max(...samples).toFixed(0)})`);
    return line;
  });
}

function conclude() {
  const withTarget = figures.filter(({ target }) => target !== null);
  const missed = withTarget.filter(({ ok }) => !ok);
  console.log(`\n${withTarget.length - missed.length} of ${withTarget.length} targets reached, in ${((performance.now() - began) / 1000).toFixed(0)} s.`);
  for (const { name, value: reached, unit, target } of missed) console.log(`  ${bold('MISSED')} ${name}: ${reached} ${unit}, target ${target}`);
  console.log(`Written to ${path.relative(projectFolder, output)}.`);
}

function sql(text, params) {
  return JSON.stringify({ sql: text, params });
}

function slug(arm) {
  return arm.replace(/[^a-z]+/g, '-');
}

function verdict({ target, ok }) {
  return target === null ? '' : `   target ≤ ${target}: ${ok ? 'reached' : bold('MISSED')}`;
}

function bold(text) {
  return process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text;
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`);
}
