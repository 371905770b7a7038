// D1: the data that both sides begin with, and the requests that both are sent, in this order.

import { paths } from '../helpers.mjs';

export const schema = `
  CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE COLLATE NOCASE, plan TEXT DEFAULT 'free' CHECK (plan IN ('free', 'pro')), score REAL);
  CREATE TABLE tickets (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE ON UPDATE CASCADE, title TEXT, state TEXT NOT NULL DEFAULT 'open');
  CREATE TABLE notes (id INTEGER PRIMARY KEY, ticket INTEGER REFERENCES tickets (id) ON DELETE SET NULL, text TEXT);
  CREATE TABLE invoices (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id), cents INTEGER);
  CREATE TABLE later (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES later (id) DEFERRABLE INITIALLY DEFERRED);
  CREATE TABLE strict_ones (i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT;
  CREATE TABLE loose (a, b, c);
  CREATE TABLE pairs (left_one TEXT, right_one INTEGER, n INTEGER DEFAULT 0, PRIMARY KEY (left_one, right_one)) WITHOUT ROWID;
  CREATE TABLE computed (w INTEGER, h INTEGER, area INTEGER GENERATED ALWAYS AS (w * h) STORED, half REAL AS (area / 2.0) VIRTUAL);
  CREATE TABLE text_keys (k TEXT PRIMARY KEY, v);
  CREATE TABLE "odd ""names" ("a b" TEXT, "select" INTEGER, ümlaut TEXT);
  CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT);
  CREATE TABLE half_hidden (rowid TEXT, v);
  CREATE TABLE descending_keys (id INTEGER PRIMARY KEY DESC, v);
  CREATE TABLE own_rules (k TEXT UNIQUE ON CONFLICT REPLACE, n INTEGER NOT NULL ON CONFLICT IGNORE DEFAULT 0, CHECK (n < 100) ON CONFLICT FAIL);
  CREATE TABLE defaults_to (id INTEGER PRIMARY KEY, customer INTEGER DEFAULT 6 REFERENCES Customers (ID) ON DELETE SET DEFAULT);
  CREATE TABLE emptied (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
  CREATE TABLE halves (x, y, PRIMARY KEY (x, y));
  CREATE TABLE of_halves (x, y, FOREIGN KEY (x, y) REFERENCES halves ON DELETE RESTRICT ON UPDATE SET NULL);
  CREATE UNIQUE INDEX one_open ON invoices (customer) WHERE cents IS NULL;
  CREATE UNIQUE INDEX loose_by_lower ON loose (lower(a)) WHERE b = 'unique';
  CREATE INDEX tickets_by_state ON tickets (state, id);
  CREATE VIEW overview AS SELECT c.id, c.email, count(t.id) AS tickets FROM customers c LEFT JOIN tickets t ON t.customer = c.id GROUP BY c.id;
  CREATE TRIGGER overview_insert INSTEAD OF INSERT ON overview BEGIN INSERT INTO customers (email) VALUES (NEW.email); END;
  CREATE TRIGGER overview_update INSTEAD OF UPDATE ON overview BEGIN UPDATE customers SET email = NEW.email WHERE id = OLD.id; END;
  CREATE TRIGGER overview_delete INSTEAD OF DELETE ON overview BEGIN DELETE FROM customers WHERE id = OLD.id; END;
  CREATE TRIGGER tickets_deleted AFTER DELETE ON tickets BEGIN INSERT INTO audit (what) VALUES ('deleted ' || OLD.id); END;
  CREATE TRIGGER tickets_changed AFTER UPDATE OF state ON tickets WHEN NEW.state <> OLD.state
    BEGIN INSERT INTO audit (what) VALUES (OLD.state || '>' || NEW.state); UPDATE customers SET score = coalesce(score, 0) + 0.1 WHERE id = NEW.customer; END;
  CREATE TRIGGER emptied_checked BEFORE INSERT ON emptied WHEN NEW.v = 'ignored' BEGIN SELECT RAISE(IGNORE); END;
  CREATE TRIGGER notes_checked BEFORE INSERT ON notes WHEN NEW.text = 'forbidden' BEGIN SELECT RAISE(ABORT, 'this note is forbidden'); END;
  CREATE TRIGGER later_inserted AFTER INSERT ON later BEGIN INSERT INTO audit (what) VALUES ('last ' || last_insert_rowid()); END;
  INSERT INTO customers VALUES (1, 'ada@example.org', 'free', 0.1), (2, 'ben@example.org', 'pro', -0.0), (5, 'cleo@example.org', NULL, 1e300), (6, '', 'free', NULL);
  INSERT INTO tickets (id, customer, title) VALUES (10, 1, 'first'), (3, 1, 'sécond 日本 🎫'), (7, 2, ''), (8, 5, NULL), (9, 6, 'line' || char(10) || 'two');
  INSERT INTO notes VALUES (1, 10, 'a'), (2, 10, 'b'), (3, NULL, 'c');
  INSERT INTO invoices VALUES (1, 1, 100), (2, 2, NULL);
  INSERT INTO strict_ones VALUES (9007199254740991, 0.1, 'x', x'00ff', 1), (9007199254740993, 9007199254740993.0, char(0) || 'nul' || char(0), x'', 'one'), (-9223372036854775808, 9e999, '', NULL, 1.0), (NULL, NULL, NULL, NULL, NULL);
  INSERT INTO loose VALUES (1, 1.0, '1'), (CAST('1' AS BLOB), -9e999, CAST(x'ff41' AS TEXT)), ('ABC', 'unique', NULL), (9223372036854775807, 5e-324, 1.7976931348623157e308);
  INSERT INTO pairs VALUES ('a', 1, 1), ('a', 2, 2), ('b', 1, 3);
  INSERT INTO computed (w, h) VALUES (2, 3), (NULL, 1);
  INSERT INTO text_keys VALUES ('k', 1), (NULL, 2), (NULL, 3), ('k' || char(0), 4);
  INSERT INTO "odd ""names" VALUES ('x', 1, 'ü');
  INSERT INTO half_hidden (rowid, v) VALUES ('b', 1), ('a', 2);
  INSERT INTO descending_keys VALUES (3, 'x'), (1, 'y');
  INSERT INTO own_rules VALUES ('k', 1), ('l', 2);
  INSERT INTO defaults_to VALUES (1, 2), (2, 5);
  INSERT INTO emptied (v) VALUES (1), (2), (3);
  DELETE FROM emptied;
  INSERT INTO halves VALUES (1, 'a'), (2, 'b'), (3, 'c');
  INSERT INTO of_halves VALUES (1, 'a'), (2, 'b'), (NULL, 'z');
  INSERT INTO audit (what) VALUES ('begin'), ('more');
  DELETE FROM audit WHERE id = 2;`;

export const tables = [
  'half_hidden', 'descending_keys', 'own_rules', 'defaults_to', 'emptied', 'halves', 'of_halves', 'customers', 'tickets', 'invoices', 'later', 'strict_ones', 'loose', 'pairs', 'computed', 'text_keys', 'odd "names', 'notes', 'made', 'copied', 'moved', 'second_made',
];

const post = (kind, json) => ({ path: paths.d1(kind), json });
const query = (sql, params) => ({ name: `query ${sql} ${params ? JSON.stringify(params) : ''}`, sql: [sql], ...post('query', { sql, ...(params ? { params } : {}) }) });
const raw = (sql, params) => ({ name: `raw ${sql}`, sql: [sql], ...post('raw', { sql, ...(params ? { params } : {}) }) });
// What inserts no row with a rowid leaves `last_row_id` as the connection had it, which says nothing.
const withoutRowid = (sql) => ({ ...query(sql), sql: [] });
const several = (...sql) => ({ name: `text ${sql.join('; ')}`, sql, ...post('query', { sql: `${sql.join(';\n')};` }) });
const batch = (...sql) => ({ name: `batch ${sql.join('; ')}`, sql, ...post('query', { batch: sql.map((one) => ({ sql: one })) }) });
const everyClass = 'SELECT typeof(i), quote(i), typeof(r), quote(r), typeof(t), hex(t), typeof(b), hex(b), typeof(a), quote(a) FROM strict_ones ORDER BY rowid';

export const requests = [
  // Before anything is planned.
  query('SELECT * FROM customers'),
  query('SELECT 1 AS a, 2 AS a, 3 AS b'),
  raw('SELECT 1 AS a, 2 AS a, 3 AS b'),
  query('SELECT * FROM nowhere'),
  query('SELECT nothing FROM customers'),
  query('SELEC 1'),
  query('SELECT ?', []),
  query('EXPLAIN QUERY PLAN SELECT * FROM tickets WHERE state = ?', ['open']),
  // Inserts.
  query("INSERT INTO customers (email) VALUES ('dora@example.org')"),
  query('SELECT * FROM sqlite_sequence ORDER BY name'),
  query("INSERT INTO customers (email, plan) VALUES (?, ?), ('eve@example.org', 'pro') RETURNING *", ['finn@example.org', 'free']),
  query("INSERT INTO customers (email) VALUES ('ADA@example.org')"),
  query("INSERT INTO customers (email, plan) VALUES ('x@example.org', 'gold')"),
  query('INSERT INTO customers (email) VALUES (NULL)'),
  query('INSERT INTO tickets (customer, title) VALUES (999, 1)'),
  query('INSERT INTO tickets (id, customer) VALUES (10, 1)'),
  query("INSERT INTO invoices (customer) VALUES (2)"),
  query("INSERT INTO loose VALUES ('abc', 'unique', 1)"),
  query("INSERT INTO strict_ones (i) VALUES ('text')"),
  query("INSERT INTO notes (text) VALUES ('forbidden')"),
  query('INSERT INTO nowhere VALUES (1)'),
  query('INSERT INTO notes (nothing) VALUES (1)'),
  query('INSERT INTO notes VALUES (1)'),
  query('INSERT INTO computed (area) VALUES (1)'),
  query('INSERT INTO overview VALUES (1)'),
  query('INSERT INTO notes (text) VALUES (?)', []),
  query('INSERT INTO notes (text) VALUES (?)', ['a', 'b']),
  query("INSERT OR IGNORE INTO customers (email) VALUES ('ada@example.org'), ('gus@example.org')"),
  query("INSERT OR IGNORE INTO customers (email) VALUES ('ada@example.org')"),
  query("INSERT OR REPLACE INTO customers (id, email) VALUES (6, 'ben@example.org')"),
  withoutRowid("REPLACE INTO pairs VALUES ('a', 1, 100), ('c', 9, 9)"),
  withoutRowid("INSERT INTO pairs VALUES ('a', 2, 5) ON CONFLICT DO UPDATE SET n = n + excluded.n RETURNING *"),
  query("INSERT INTO pairs VALUES ('a', 2, 5) ON CONFLICT (left_one, right_one) DO NOTHING"),
  withoutRowid("INSERT INTO customers (email, plan) VALUES ('ADA@EXAMPLE.ORG', 'pro') ON CONFLICT (email) DO UPDATE SET plan = excluded.plan WHERE plan <> excluded.plan"),
  query('INSERT INTO notes (ticket, text) SELECT id, title FROM tickets ORDER BY id'),
  query('INSERT INTO notes DEFAULT VALUES'),
  query("INSERT INTO overview (email) VALUES ('through@example.org')"),
  query('INSERT INTO computed (w, h) VALUES (7, 6) RETURNING *'),
  query('INSERT INTO pairs (right_one) VALUES (1)'),
  query("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) INSERT INTO loose (a, b) SELECT i, 'row ' || i FROM n"),
  // Values of every kind.
  query('INSERT INTO loose VALUES (?, ?, ?)', [1, 1.5, '1']),
  query('INSERT INTO loose VALUES (?1, ?3, ?2)', [true, false, null]),
  query('INSERT INTO loose VALUES (?, ?, ?)', [[0, 1, 255], [], '']),
  query('INSERT INTO loose VALUES (?, ?, ?)', [9007199254740991, -9007199254740992, 1e21]),
  query('INSERT INTO loose VALUES (?, ?, ?)', ['日本 🎫', 'quote \' " ` ;--', 'line\r\nline\u2028']),
  query('INSERT INTO strict_ones VALUES (?, ?, ?, ?, ?) RETURNING typeof(i), typeof(r), typeof(t), typeof(b), typeof(a)', [42, 42, '42', [42], 42]),
  query('INSERT INTO strict_ones (i) VALUES (?)', [1.5]),
  query('INSERT INTO strict_ones (b) VALUES (?)', ['text']),
  query("INSERT INTO loose VALUES ('a' || char(0) || 'b', x'0001', 9223372036854775807)"),
  query('INSERT INTO loose (a) VALUES (?)', ['a\u0000b']),
  query('INSERT INTO loose (a) VALUES (?)', [{ an: 'object' }]),
  query('INSERT INTO loose (a) VALUES (?)', [[256]]),
  query('SELECT :name AS a, @other AS b', ['x', 'y']),
  query('SELECT typeof(?) AS a, typeof(?) AS b, typeof(?) AS c, typeof(?) AS d, ? AS e', [1, 1.5, true, [], [1, 2]]),
  raw(everyClass),
  query('SELECT * FROM strict_ones ORDER BY rowid'),
  raw('SELECT rowid, typeof(a), hex(a), typeof(b), hex(b), typeof(c), hex(c) FROM loose ORDER BY rowid'),
  raw('SELECT * FROM loose ORDER BY rowid'),
  query('SELECT * FROM text_keys ORDER BY rowid'),
  query('SELECT zeroblob(3) AS z, 9007199254740993 AS big, 0.1 + 0.2 AS sum, -0.0 AS minus, 9e999 AS inf, NULL AS n, \'\' AS e'),
  // Updates and deletes.
  query("UPDATE customers SET plan = 'pro', score = score + 1 WHERE email = ?", ['ada@example.org']),
  query("UPDATE customers SET plan = 'none'"),
  query("UPDATE customers SET email = 'ada@example.org' WHERE id = 2"),
  query('UPDATE customers SET email = NULL WHERE id = 1'),
  query('UPDATE customers SET nothing = 1'),
  query('UPDATE customers SET id = 50 WHERE id = 5'),
  query("UPDATE tickets SET state = 'closed' WHERE customer = 1 RETURNING id, state"),
  query("UPDATE OR IGNORE tickets SET id = 10"),
  query("UPDATE OR REPLACE pairs SET right_one = 1 WHERE left_one = 'a'"),
  query('UPDATE notes SET text = t.title FROM tickets t WHERE t.id = notes.ticket'),
  query("UPDATE overview SET email = 'view@example.org' WHERE id = 1"),
  query('UPDATE computed SET w = w + 1'),
  query('UPDATE later SET parent = 77'),
  // Local D1 dies of a deferred constraint that is broken in the end, and gives no clear answer: alike is only that both refuse.
  { ...query('INSERT INTO later VALUES (1, 2)'), refusedAnyhow: true },
  batch('INSERT INTO later VALUES (1, 2)', 'INSERT INTO later VALUES (2, NULL)'),
  query('UPDATE tickets SET customer = 999'),
  query('UPDATE strict_ones SET r = ? WHERE i = 42', ['not a number']),
  query('DELETE FROM tickets WHERE id = 10'),
  query('DELETE FROM customers WHERE id = 2'),
  query('DELETE FROM customers WHERE id = 50 RETURNING id, email, score'),
  query('DELETE FROM overview WHERE id = 6'),
  query('DELETE FROM pairs'),
  query('DELETE FROM nowhere'),
  query("DELETE FROM notes WHERE text = 'nothing'"),
  query('SELECT * FROM audit ORDER BY id'),
  query("INSERT INTO half_hidden (rowid, v) VALUES ('c', 3) RETURNING oid"),
  query("UPDATE half_hidden SET rowid = 'd' WHERE v = 1"),
  query("INSERT INTO descending_keys (v) VALUES ('z')"),
  query("INSERT INTO own_rules VALUES ('k', 5), ('m', NULL), ('n', 6)"),
  query("INSERT INTO own_rules VALUES ('o', 7), ('p', 100), ('q', 8)"),
  query("UPDATE own_rules SET k = 'l' WHERE k = 'k'"),
  query('SELECT rowid, * FROM own_rules ORDER BY rowid'),
  query('SELECT * FROM defaults_to ORDER BY id'),
  query("INSERT INTO emptied (v) VALUES ('ignored'), ('counts on')"),
  query("INSERT INTO emptied (v) VALUES ('ignored')"),
  query("DELETE FROM halves WHERE x = 1"),
  query("UPDATE halves SET y = 'bb' WHERE x = 2"),
  query("DELETE FROM halves WHERE x IN (2, 3)"),
  query('SELECT rowid, * FROM of_halves ORDER BY rowid'),
  query("INSERT INTO of_halves VALUES (9, 'none')"),
  // Several statements.
  several("INSERT INTO audit (what) VALUES ('one')", 'SELECT count(*) AS n FROM audit', "UPDATE audit SET what = 'two' WHERE what = 'one'", "DELETE FROM audit WHERE what = 'none'"),
  batch("INSERT INTO audit (what) VALUES ('three')", "INSERT INTO audit (id, what) VALUES (100, 'four')", "INSERT INTO audit (what) VALUES ('five') RETURNING id"),
  batch("INSERT INTO audit (what) VALUES ('undone')", 'INSERT INTO audit (id) VALUES (100)'),
  several("INSERT INTO audit (what) VALUES ('undone')", 'SELECT * FROM nowhere'),
  batch('SELECT 1 AS one', 'SELECT count(*) AS n FROM customers'),
  { name: 'raw batch', sql: [], ...post('raw', { batch: [{ sql: 'SELECT * FROM customers ORDER BY id' }, { sql: 'INSERT INTO audit (what) VALUES (?)', params: ['raw'] }] }) },
  { name: 'text with parameters for several', sql: [], ...post('query', { sql: 'SELECT ?; SELECT ?', params: [1, 2] }) },
  { name: 'an insert with an Idempotency-Key', sql: ['INSERT'], ...query("INSERT INTO audit (what) VALUES ('once')"), headers: { 'idempotency-key': 'once' } },
  { name: 'the same insert with the same Idempotency-Key', sql: ['INSERT'], ...query("INSERT INTO audit (what) VALUES ('once')"), headers: { 'idempotency-key': 'once' } },
  batch("INSERT INTO customers (email) VALUES ('parent@example.org')", "INSERT INTO tickets (customer, title) VALUES (last_insert_rowid(), 'child')"),
  batch("INSERT INTO audit (what) VALUES ('a'), ('b')", 'SELECT last_insert_rowid() AS id, changes() AS n'),
  query("INSERT OR FAIL INTO pairs VALUES ('f', 1, 1), ('f', 1, 2)"),
  query("REPLACE INTO tickets (id, customer, title) VALUES (3, 1, 'replaced')"),
  query("UPDATE \"odd \"\"names\" SET \"a b\" = 'changed', \"select\" = \"select\" + 1"),
  query("insert into CUSTOMERS (EMAIL) values ('upper@example.org') /* a comment */ ; -- and another"),
  query('INSERT INTO loose (rowid, a) VALUES (?, ?)', [-5, 'negative rowid']),
  query("INSERT INTO loose (rowid, a) VALUES (9007199254740993, 'beyond 2^53') RETURNING rowid"),
  query('INSERT INTO loose (a) SELECT a FROM loose WHERE rowid < 3'),
  query(`SELECT ${Array(100).fill('?').join(' + ')} AS sum`, Array(100).fill(1)),
  query(`SELECT ${Array(101).fill('?').join(' + ')} AS sum`, Array(101).fill(1)),
  // Reads of what was changed.
  query('SELECT t.*, c.* FROM tickets t JOIN customers c ON c.id = t.customer ORDER BY t.id'),
  raw('SELECT t.*, c.* FROM tickets t JOIN customers c ON c.id = t.customer ORDER BY t.id'),
  query('SELECT * FROM overview ORDER BY id'),
  query('SELECT plan, count(*) AS n, avg(score) AS mean, group_concat(email) AS all_of_them FROM customers GROUP BY plan ORDER BY plan'),
  query('SELECT id, row_number() OVER (PARTITION BY customer ORDER BY id) AS place FROM tickets ORDER BY id'),
  query('SELECT id FROM customers UNION SELECT id FROM tickets EXCEPT SELECT 1 ORDER BY 1'),
  query("SELECT json_object('id', id, 'email', email) AS j FROM customers ORDER BY id LIMIT 2 OFFSET 1"),
  query('SELECT value FROM json_each(?) WHERE value IN (SELECT id FROM tickets)', ['[3, 7, 10]']),
  query('VALUES (1, 2), (3, 4)'),
  query('SELECT sqlite_version() FROM customers'),
  query('SELECT nothing FROM customers'),
  query('SELECT * FROM customers WHERE id = (SELECT'),
  query('SELECT no_such_function(id) FROM customers'),
  query('SELECT * FROM customers, tickets WHERE id = 1'),
  query("SELECT * FROM customers WHERE email LIKE '%'"),
  query('SELECT * FROM customers WHERE id = ?', []),
  query('SELECT seq FROM sqlite_sequence WHERE name = ?', ['audit']),
  query('EXPLAIN QUERY PLAN SELECT * FROM tickets WHERE state = ?', ['open']),
  query('PRAGMA table_info(customers)'),
  query('PRAGMA table_xinfo(computed)'),
  query('PRAGMA index_list(invoices)'),
  query('PRAGMA foreign_key_list(tickets)'),
  query('PRAGMA foreign_key_check'),
  query("SELECT name, type FROM pragma_table_info('odd \"names')"),
  query('PRAGMA table_info(nowhere)'),
  query("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY type, name"),
  // The schema.
  query('CREATE TABLE made (id INTEGER PRIMARY KEY, n INTEGER NOT NULL DEFAULT 3)'),
  query('CREATE TABLE made (id INTEGER)'),
  query('INSERT INTO made (id) VALUES (1), (2)'),
  query('SELECT * FROM made'),
  query('ALTER TABLE made ADD COLUMN extra TEXT DEFAULT \'x\''),
  query('ALTER TABLE made ADD COLUMN extra TEXT'),
  query('SELECT * FROM made'),
  query('CREATE TABLE copied AS SELECT id, email FROM customers WHERE id < 9'),
  query('CREATE UNIQUE INDEX made_by_n ON made (n)'),
  query('CREATE INDEX made_by_extra ON made (extra)'),
  query('CREATE TRIGGER made_inserted AFTER INSERT ON made BEGIN UPDATE made SET extra = \'triggered\' WHERE id = NEW.id; END'),
  query('INSERT INTO made (n) VALUES (4) RETURNING *'),
  query('SELECT * FROM made ORDER BY id'),
  query('ALTER TABLE customers RENAME COLUMN score TO points'),
  query('UPDATE customers SET points = 2 WHERE id = 1'),
  query('DROP INDEX made_by_extra'),
  query('DROP VIEW overview'),
  several('CREATE TABLE second_made (id INTEGER PRIMARY KEY, v)', "INSERT INTO second_made (v) VALUES ('a'), ('b')", 'CREATE INDEX second_by_v ON second_made (v)', 'SELECT * FROM second_made'),
  batch('CREATE TABLE undone (id)', 'INSERT INTO undone VALUES (1)', 'SELECT * FROM nowhere'),
  query('SELECT * FROM undone'),
  query('ALTER TABLE audit RENAME TO moved'),
  query("INSERT INTO moved (what) VALUES ('after the move')"),
  query("UPDATE tickets SET state = 'moved' WHERE id = 3"),
  query('DELETE FROM moved'),
  query("INSERT INTO moved (what) VALUES ('counts on')"),
  query('DROP TABLE notes'),
  query('CREATE TABLE notes (other TEXT)'),
  query("INSERT INTO notes VALUES ('x')"),
  query('SELECT * FROM notes'),
  query('DROP TABLE customers'),
  query('DROP TABLE nowhere'),
  query('DROP TABLE IF EXISTS nowhere'),
  // The platform's own table has another name in a Durable Object than in D1.
  query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'"),
  query("SELECT * FROM pragma_table_list WHERE name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name"),
  query('EXPLAIN QUERY PLAN SELECT * FROM made WHERE n = 1'),
  query('PRAGMA table_info(made)'),
  query("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY type, name"),
  // Refused alike.
  query('PRAGMA foreign_keys = off'),
  query('BEGIN'),
  query('VACUUM'),
  query(''),
  query("SELECT 'open"),
  { name: 'a body that is not JSON', sql: [], path: paths.d1(), method: 'POST', body: '{', headers: { 'content-type': 'application/json' } },
  { name: 'a body of another type', sql: [], path: paths.d1(), method: 'POST', body: 'SELECT 1', headers: { 'content-type': 'text/plain' } },
  { name: 'a database that is not there', sql: [], path: paths.d1('query', 'NOWHERE'), json: { sql: 'SELECT 1' } },
];
