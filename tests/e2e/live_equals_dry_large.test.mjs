// Rows near D1's limits (2 MB, 100 columns: https://developers.cloudflare.com/d1/platform/limits/), live and dry: they are copied,
// changed and read alike, or refused alike.

import { after, before, describe, test } from 'node:test';
import { paths } from './helpers.mjs';
import { startPair } from './live_equals_dry/pair.mjs';

const schema = `
  CREATE TABLE blobs (id INTEGER PRIMARY KEY, b BLOB);
  CREATE TABLE texts (id INTEGER PRIMARY KEY, t TEXT);
  CREATE TABLE pairs (a, b);
  CREATE TABLE odd_texts (id INTEGER PRIMARY KEY, t TEXT);
  INSERT INTO blobs VALUES (1, x'01'), (2, zeroblob(1500000));
  INSERT INTO texts VALUES (1, ''), (2, replace(hex(zeroblob(900000)), '00', 'é'));
  INSERT INTO odd_texts VALUES (1, char(65533)), (2, replace(hex(zeroblob(900000)), '00', 'é'));`;

const query = (sql, params) => ({ name: sql, sql: [sql], path: paths.d1(), json: { sql, ...(params ? { params } : {}) } });
const lengths = (table, column) => query(`SELECT id, length(${column}) AS n, hex(substr(${column}, 1, 3)) AS start, hex(substr(${column}, -3)) AS rest FROM ${table} ORDER BY id`);
const values = (...letters) => letters.map((letter) => ({ sql: 'INSERT INTO texts (t) VALUES (?)', params: [letter.repeat(900_000)] }));

const requests = [
  query('UPDATE blobs SET id = id + 10'),
  lengths('blobs', 'b'),
  query('UPDATE texts SET id = id + 10'),
  lengths('texts', 't'),
  query('UPDATE odd_texts SET id = id + 10'),
  lengths('odd_texts', 't'),
  { ...query('INSERT INTO texts (t) VALUES (?)', ['t'.repeat(1_900_000)]), name: 'a text of 1.9 MB' },
  { ...query('INSERT INTO texts (t) VALUES (?)', ['t'.repeat(2_100_000)]), name: 'a text of 2.1 MB', status: 400 },
  { ...query('SELECT ? IS NULL', ['é'.repeat(1_000_001)]), name: 'a text of 2,000,002 bytes', status: 400 },
  { ...query('SELECT ? IS NULL', [Array(2_000_001).fill(7)]), name: 'a BLOB of 2,000,001 bytes', status: 400 },
  { ...query('SELECT length(?) AS n', ['t'.repeat(2_000_000)]), name: 'a text of 2,000,000 bytes', status: 200 },
  { ...query('SELECT length(?) AS n', [Array(2_000_000).fill(7)]), name: 'a BLOB of 2,000,000 bytes', status: 200 },
  { name: 'a text of 2.1 MB in a batch', sql: [], path: paths.d1(), json: { batch: [{ sql: 'DELETE FROM texts' }, { sql: 'SELECT ? IS NULL', params: ['t'.repeat(2_100_000)] }] }, status: 400 },
  { ...query("INSERT INTO pairs VALUES (replace(hex(zeroblob(600000)), '00', 'x' || 'y'), zeroblob(1100000))"), name: 'a row of 2.3 MB', status: 400 },
  { name: 'a batch of 2.7 MB', sql: [], path: paths.d1(), json: { batch: values('x', 'y', 'z') } },
  query('INSERT INTO blobs (b) VALUES (zeroblob(1900000))'),
  query('INSERT INTO blobs (b) VALUES (zeroblob(3000000))'),
  query("UPDATE texts SET t = t || '!'"),
  lengths('blobs', 'b'),
  lengths('texts', 't'),
];

const columns = Array.from({ length: 100 }, (_, index) => `c${index} INTEGER DEFAULT ${index}`);
const wideSchema = `CREATE TABLE wide (${columns.join(', ')}); CREATE TABLE narrow (a); INSERT INTO wide (c0) VALUES (1), (2);`;
const wideRequests = [
  query('INSERT INTO narrow VALUES (1)'),
  query('INSERT INTO wide (c0, c99) VALUES (3, -1)'),
  query('UPDATE wide SET c50 = 0 WHERE c0 = 2 RETURNING c50'),
  query('DELETE FROM wide WHERE c0 = 1'),
  query('SELECT * FROM wide ORDER BY c0'),
];

for (const [what, given, asked] of [['large values', schema, requests], ['a hundred columns', wideSchema, wideRequests]]) {
  describe(`rows with ${what} are the same, live and dry`, () => {
    let pair;
    before(async () => (pair = await startPair(({ db }) => db.exec(given))));
    after(() => pair?.stop());
    for (const [index, request] of asked.entries()) test(`${index + 1}: ${request.name}`, () => pair.assertSame(request));
  });
}
