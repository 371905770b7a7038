// A production database with everything that a table can be, and 100,000 rows; and how two databases are compared.

import { createHash } from 'node:crypto';

const numbers = (count) => `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;
const wide = Array.from({ length: 100 }, (_, place) => `c${place}`);

/** Every table, index, view and trigger. */
export const schema = [
  `CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT, phone TEXT, plan TEXT DEFAULT 'free')`,
  `CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
     customer_email TEXT REFERENCES customers (email), cents INTEGER CHECK (cents >= 0))`,
  `CREATE INDEX orders_by_customer ON orders (customer)`,
  `CREATE TABLE order_lines (order_id INTEGER REFERENCES orders, line INTEGER, sku TEXT, PRIMARY KEY (order_id, line)) WITHOUT ROWID`,
  `CREATE TABLE people (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES people (id) ON DELETE CASCADE, title TEXT)`,
  `CREATE TABLE nodes (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES nodes ON DELETE RESTRICT)`,
  `CREATE TABLE teams (id INTEGER PRIMARY KEY, lead INTEGER REFERENCES members (id), label TEXT)`,
  `CREATE TABLE members (id INTEGER PRIMARY KEY, team INTEGER NOT NULL REFERENCES teams (id), label TEXT)`,
  `CREATE TABLE eggs (id INTEGER PRIMARY KEY, hen INTEGER NOT NULL REFERENCES hens (id) DEFERRABLE INITIALLY DEFERRED)`,
  `CREATE TABLE hens (id INTEGER PRIMARY KEY, egg INTEGER NOT NULL REFERENCES eggs (id) DEFERRABLE INITIALLY DEFERRED)`,
  `CREATE TABLE accounts (email TEXT PRIMARY KEY, balance REAL) WITHOUT ROWID`,
  `CREATE TABLE pairs (a TEXT, b, weight REAL, PRIMARY KEY (a DESC, b)) WITHOUT ROWID`,
  `CREATE TABLE log (line TEXT, at INTEGER)`,
  `CREATE TABLE storage (id INTEGER PRIMARY KEY, anything, tight TEXT)`,
  `CREATE TABLE strict_one (id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT`,
  `CREATE TABLE computed (id INTEGER PRIMARY KEY, a INTEGER, twice INTEGER AS (a * 2) STORED, thrice INTEGER AS (a * 3), b TEXT)`,
  `CREATE INDEX computed_by_thrice ON computed (thrice)`,
  `CREATE TABLE wide (${wide.join(', ')})`,
  `CREATE TABLE wide_keyed (${['id INTEGER PRIMARY KEY', ...wide.slice(1)].join(', ')})`,
  `CREATE TABLE long (id INTEGER PRIMARY KEY, value, other TEXT)`,
  `CREATE TABLE "odd ""name"" – ü" ("a b" TEXT, "select" INTEGER, "x""y" BLOB)`,
  `CREATE TABLE settings (id INTEGER PRIMARY KEY, document TEXT)`,
  `CREATE TABLE nothing_in_it (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT)`,
  `CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT)`,
  `CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, label TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
  `CREATE UNIQUE INDEX customers_without_case ON customers (email COLLATE NOCASE) WHERE plan = 'pro'`,
  `CREATE VIEW spent AS SELECT customers.id, sum(cents) AS cents FROM customers JOIN orders ON customer = customers.id GROUP BY customers.id`,
  `CREATE TRIGGER customers_are_noted AFTER INSERT ON customers BEGIN INSERT INTO audit (what) VALUES ('customer ' || new.id); END`,
  `CREATE TRIGGER storage_is_closed BEFORE INSERT ON storage BEGIN SELECT RAISE(ABORT, 'closed; for good'); END`,
  `CREATE TRIGGER spent_is_written INSTEAD OF UPDATE ON spent BEGIN SELECT 1; END`,
];

const values = [
  'NULL', '0', '1', '-1', '9007199254740993', '-9007199254740993', '9223372036854775807', '-9223372036854775808', '0.1', '-0.1', '1e300', '5e-324', '1.7976931348623157e308',
  '9e999', '-9e999', '3.0', '0.30000000000000004', "''", "'plain'", "'it''s; -- \"quoted\" /* x */'", "'a' || char(0) || 'b'", 'char(0)', "CAST(X'FF41FE' AS TEXT)", 'char(65279)',
  'char(65533)', "'😀 ü \u2028'", "X''", "X'00FF10'", "'_dryrun_x'", "'PRAGMA_optimize'", "'sqlite_master'", "'''_cf_x'", "'ROLLBACK'", "'12'", "'1e5'", 'char(10, 13, 9, 27)',
];

/** The rows, as statements; each is well below D1's limit. */
function rows() {
  const perRow = (table, expressions) => expressions.map((expression) => `INSERT INTO ${table} VALUES ${expression}`);
  return [
    `${numbers(20_000)} INSERT INTO customers SELECT i, CASE i % 3 WHEN 0 THEN 'User' ELSE 'user' END || i || '@mail.example.org', 'Person ' || i, '+49 30 ' || (1000000 + i),
       CASE i % 5 WHEN 0 THEN 'pro' ELSE 'free' END FROM n`,
    `${numbers(30_000)} INSERT INTO orders SELECT i * 3, 1 + i * 7 % 20000, CASE i % 2 WHEN 0 THEN (SELECT email FROM customers WHERE id = 1 + i * 7 % 20000) END, i * 13 % 9973 FROM n`,
    `UPDATE sqlite_sequence SET seq = 9007199254740995 WHERE name = 'orders'`,
    `${numbers(20_000)} INSERT INTO order_lines SELECT 3 * (1 + i / 3), i % 3, 'sku-' || i FROM n`,
    // Every third refers to a later row.
    `PRAGMA defer_foreign_keys = on; ${numbers(6_000)} INSERT INTO people SELECT i, CASE WHEN i % 3 = 0 THEN 1 + (i * 31) % 6000 WHEN i % 3 = 1 THEN max(1, i / 2) END, 'title ' || i FROM n`,
    `PRAGMA defer_foreign_keys = on; ${numbers(3_000)} INSERT INTO nodes SELECT i, CASE WHEN i % 10 = 0 THEN min(3000, i + 2500) WHEN i = 1 THEN 1 ELSE i / 2 + 1 END FROM n`,
    `${numbers(500)} INSERT INTO teams SELECT i, NULL, 'team ' || i FROM n`,
    `${numbers(3_000)} INSERT INTO members SELECT i, 1 + i % 500, 'member ' || i FROM n`,
    `UPDATE teams SET lead = id * 5`,
    `PRAGMA defer_foreign_keys = on; ${numbers(50)} INSERT INTO eggs SELECT i, 51 - i FROM n; ${numbers(50)} INSERT INTO hens SELECT i, i FROM n`,
    `${numbers(3_000)} INSERT INTO accounts SELECT 'holder' || (i * 7919 % 100003) || '@bank.example.org', i / 7.0 FROM n`,
    `${numbers(1_500)} INSERT INTO pairs SELECT 'key ' || (i % 40), CASE i % 3 WHEN 0 THEN i WHEN 1 THEN 'text ' || i ELSE CAST('blob ' || i AS BLOB) END, i / 3.0 FROM n`,
    // No key, equal rows, gaps and negative rowids.
    `${numbers(12_000)} INSERT INTO log (rowid, line, at) SELECT i * 5 - 20000, 'line ' || (i % 10), i % 7 FROM n`,
    ...perRow('storage', values.map((value, place) => `(${place - 10}, ${value}, ${value.startsWith('X') ? 'NULL' : value})`)),
    `INSERT INTO strict_one VALUES (1, 9223372036854775807, 1e15, 'a' || char(0), X'00', 5), (2, NULL, 3, '', X'', 'five'), (3, -1, -0.5, 'ü', NULL, 5.0)`,
    `${numbers(2_000)} INSERT INTO computed (id, a, b) SELECT i, i * 11, 'b' || i FROM n`,
    ...Array.from({ length: 6 }, (_, row) => `INSERT INTO wide (rowid, ${wide.join(', ')}) VALUES (${row * 10 + 1}, ${wide.map((_, place) => (place === 50 ? 'NULL' : place === 60 ? "X'01'" : row * 100 + place)).join(', ')})`),
    ...Array.from({ length: 3 }, (_, row) => `INSERT INTO wide_keyed VALUES (${row}, ${wide.slice(1).map((name) => `'${name}${'y'.repeat(900)}'`).join(', ')})`),
    `INSERT INTO long VALUES (1, printf('%.*c', 1900000, 'x') , 'small'), (2, CAST(replace(printf('%.*c', 600000, 'y'), 'y', 'ü''' || char(0)) AS TEXT), NULL)`,
    `INSERT INTO long VALUES (3, randomblob(1900000), 'random'), (4, printf('%.*c', 98990, 'z'), 'just below'), (5, printf('%.*c', 99900, '''') , 'quotes'), (6, CAST(X'FF' || randomblob(60000) AS TEXT), 'broken')`,
    `INSERT INTO long VALUES (7, 'a', printf('%.*c', 1000000, 'ä')), (8, printf('%.*c', 700000, 'k'), printf('%.*c', 700000, 'l'))`,
    `${numbers(1_000)} INSERT INTO "odd ""name"" – ü" SELECT 'v' || i, i, CAST(i AS BLOB) FROM n`,
    `${numbers(500)} INSERT INTO settings SELECT i, '{"contact":{"email":"user' || i || '@mail.example.org"},"theme":"dark","n":' || i || '.5}' FROM n`,
    `INSERT INTO d1_migrations (label, applied_at) VALUES ('0001_first.sql', '2026-01-01 00:00:00')`,
    `DELETE FROM audit WHERE id % 2 = 0`,
  ];
}

/** Rules under which the rows above may be copied. */
export const scrubToml = `
[tables.customers]
email = "email"
name = "name"
phone = "phone"

[tables.orders]
customer_email = "email"

[tables.accounts]
email = "email"

[tables.settings]
document = { json = { "/contact/email" = "email" } }
`;

/** Fills a database. The triggers come last, as they did in its life. */
export async function fillProduction(db) {
  for (const statement of schema.filter((sql) => !/^CREATE TRIGGER storage/.test(sql))) await db.exec(statement);
  for (const statement of rows()) await db.exec(statement);
  await db.exec(schema.find((sql) => /^CREATE TRIGGER storage/.test(sql)));
}

const quoted = (name) => `"${name.replaceAll('"', '""')}"`;
const PIECE = 400_000;

/** The tables of a database, with their columns. */
export async function tablesOf(db) {
  const tables = await db.all(`SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_s%' ESCAPE '\\' ORDER BY name`);
  return Promise.all(tables.map(async ({ name, wr }) => {
    const columns = (await db.all(`SELECT name, pk FROM pragma_table_xinfo('${name.replaceAll("'", "''")}') ORDER BY cid`)).map((column) => column);
    const key = columns.filter(({ pk }) => pk > 0).sort((one, other) => one.pk - other.pk).map((column) => quoted(column.name));
    return { name, columns: columns.map((column) => column.name), order: wr ? key.join(', ') : '_rowid_', rowid: !wr };
  }));
}

/** Every row of a table as a line, exact; long values as digests. Columns that are left out stand in no line. */
export async function linesOf(db, { name, columns, order, rowid }, leftOut = []) {
  const wanted = columns.filter((column) => !leftOut.includes(column));
  const rows = [];
  const exactly = (column) => `CASE WHEN octet_length(${column}) > ${PIECE} THEN 'long' WHEN typeof(${column}) IN ('text', 'blob') THEN typeof(${column}) || hex(${column}) ELSE quote(${column}) END`;
  for (let first = 0; first < wanted.length; first += 40) {
    const part = wanted.slice(first, first + 40).map((column, place) => `${exactly(quoted(column))} AS v${place}`);
    const found = await db.all(`SELECT ${[...part, ...(rowid ? ['CAST(_rowid_ AS TEXT) AS at'] : [])].join(', ')} FROM ${quoted(name)} ORDER BY ${order}`);
    found.forEach((row, place) => (rows[place] = [...(rows[place] ?? []), ...Object.values(row)]));
  }
  for (const column of wanted) {
    const long = await db.all(`SELECT _rowid_ AS at, typeof(${quoted(column)}) AS class, octet_length(${quoted(column)}) AS length FROM ${quoted(name)} WHERE octet_length(${quoted(column)}) > ${PIECE}`.replace('_rowid_', rowid ? '_rowid_' : '0'));
    for (const { at, class: kind, length } of long) {
      const hash = createHash('sha256');
      for (let from = 1; from <= length; from += PIECE) {
        hash.update((await db.all(`SELECT hex(substr(CAST(${quoted(column)} AS BLOB), ${from}, ${PIECE})) AS piece FROM ${quoted(name)} WHERE _rowid_ = ${at}`))[0].piece);
      }
      rows.push([at, column, kind, length, hash.digest('hex')]);
    }
  }
  return rows.map((row) => JSON.stringify(row));
}

/** Definitions and counters. */
export async function definitionsOf(db) {
  const objects = await db.all(`SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY type, name`);
  const counters = await db.all(`SELECT name, CAST(seq AS TEXT) AS seq FROM sqlite_sequence ORDER BY name`);
  return [...objects, ...counters].map((line) => JSON.stringify(line));
}

/** Everything in a database as one digest. */
export async function digestOf(db) {
  const hash = createHash('sha256');
  for (const line of await definitionsOf(db)) hash.update(line);
  for (const table of await tablesOf(db)) for (const line of await linesOf(db, table)) hash.update(line);
  return hash.digest('hex');
}
