// What a dry run's own SQLite costs: the first statement on tables of several sizes, later ones, and whether a long run grows slower.

import { performance } from 'node:perf_hooks';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { Connection, encode } from './connection.mjs';
import { measured, median } from './figures.mjs';

const longRun = 1_000;
const part = 100;
const limits = { growth: 1.3, wholeTable: 3_000, largeTrips: 4 };

/** Table by number of rows. The statement writes one row and cannot be bounded, or names it by its key. */
const firstTouches = [
  { rows: 1, sql: 'UPDATE t1 SET label = label || 1 WHERE amount >= 0' },
  { rows: 1_000, sql: 'UPDATE t1000 SET label = label || 1 WHERE id = 7' },
  { rows: 50_000, sql: 'UPDATE t50000 SET label = label || 1 WHERE id = 7 AND amount < (SELECT avg(amount) FROM t50000)', target: limits.wholeTable },
  { rows: 1_000_000, sql: 'UPDATE t1000000 SET label = label || 1 WHERE id = 7' },
];

export async function measureShadow(build, rounds, say) {
  const gateway = await startGateway({ build, proxied: false });
  const watched = await startGateway({ build });
  try {
    for (const one of [gateway, watched]) await fill(one);
    return [...(await touches(gateway, watched, rounds, say)), ...(await warm(gateway, rounds, say)), ...(await long(gateway, rounds, say))];
  } finally {
    await Promise.all([gateway.stop(), watched.stop()]);
  }
}

async function fill(gateway) {
  for (const { rows } of firstTouches) {
    await gateway.db.exec(`
      CREATE TABLE t${rows} (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, label TEXT NOT NULL, amount REAL NOT NULL, made INTEGER NOT NULL);
      INSERT INTO t${rows} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
        SELECT i, 'customer' || i || '@example.org', 'A label of ordinary length, number ' || i, i / 7.0, 1785000000 + i FROM n;`);
  }
}

async function openRun(gateway) {
  const { json } = await gateway.api('/v1/runs', { key: 'agent', json: { mode: 'dry_run' } });
  return json.token;
}

async function timed(connection, token, sql, params = []) {
  const request = encode({
    method: 'POST', path: '/client/v4/accounts/local/d1/database/DB/query', headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ sql, params }),
  });
  const start = performance.now();
  const { status, body } = await connection.send(request);
  const taken = performance.now() - start;
  if (status !== 200) throw new Error(`${sql}: ${status} ${body}`);
  return taken;
}

/** How long the first statement of a run takes, and how often it asks the base. */
async function touches(gateway, watched, rounds, say) {
  const figures = [];
  for (const { rows, sql, target = null } of firstTouches) {
    say(`first touch of ${rows} rows`);
    const connection = new Connection(gateway.portOf('gateway'));
    const samples = [];
    for (let round = 0; round < rounds; round += 1) samples.push(await timed(connection, await openRun(gateway), sql));
    connection.close();
    const token = await openRun(watched);
    watched.recorder.clear();
    await watched.api('/client/v4/accounts/local/d1/database/DB/query', { token, json: { sql } });
    const trips = watched.recorder.requests.filter(({ store }) => store === 'DB').length;
    figures.push(measured(`first touch of a table of ${rows} rows`, median(samples), 'ms', target));
    figures.push(measured(`first touch of a table of ${rows} rows: round trips to D1`, trips, 'trips', rows === 1_000_000 ? limits.largeTrips : null));
  }
  return figures;
}

/** Reads and writes of rows that are there, in a run that has changed their table. */
async function warm(gateway, rounds, say) {
  const figures = [];
  for (const table of ['t1000', 't1000000']) {
    say(`warm statements on ${table}`);
    const connection = new Connection(gateway.portOf('gateway'));
    const samples = { write: [], read: [] };
    for (let round = 0; round < rounds; round += 1) {
      const token = await openRun(gateway);
      const write = () => timed(connection, token, `UPDATE ${table} SET amount = amount + 1 WHERE id = ?`, [7]);
      const read = () => timed(connection, token, `SELECT * FROM ${table} WHERE id = ?`, [7]);
      for (let n = 0; n < 20; n += 1) await write();
      for (let n = 0; n < part; n += 1) {
        samples.write.push(await write());
        samples.read.push(await read());
      }
    }
    connection.close();
    for (const [kind, all] of Object.entries(samples)) figures.push(measured(`warm dry ${kind} on ${table}, p50`, median(all), 'ms'));
  }
  return figures;
}

/** Whether the last writes of a long run take longer than the first. */
async function long(gateway, rounds, say) {
  const runs = {
    'rows of a small table': (n) => ['UPDATE t1000 SET amount = ? WHERE id = ?', [n, (n % 1_000) + 1]],
    'new rows of a large table': (n) => ['INSERT INTO t1000000 (email, label, amount, made) VALUES (?, ?, ?, ?)', [`new${n}@example.org`, 'a new one', n, n]],
    'other rows of a large table': (n) => ['UPDATE t1000000 SET amount = ? WHERE id = ?', [n, n * 7]],
  };
  const figures = [];
  for (const [name, statement] of Object.entries(runs)) {
    const ratios = [];
    for (let round = 0; round < Math.min(rounds, 3); round += 1) {
      say(`${longRun} dry writes: ${name}, round ${round + 1}`);
      const connection = new Connection(gateway.portOf('gateway'));
      const token = await openRun(gateway);
      for (let n = 0; n < 20; n += 1) await timed(connection, token, ...statement(longRun + n + 1));
      const samples = [];
      for (let n = 1; n <= longRun; n += 1) samples.push(await timed(connection, token, ...statement(n)));
      connection.close();
      ratios.push(median(samples.slice(-part)) / median(samples.slice(0, part)));
    }
    figures.push(measured(`${longRun} dry writes, ${name}: last ${part} / first ${part}`, median(ratios), 'ratio', limits.growth));
  }
  return figures;
}
