// Writes that meet more rows of large tables than their text tells. Each: the schema, then the statements of one run; a list is a batch.
// `refusable`: an honest refusal is right as well.

import { tables } from './reads.mjs';

const rows = (count) => `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${count})`;
const table = (name, columns, values, count = 60) => `CREATE TABLE ${name} (id INTEGER PRIMARY KEY, ${columns}); INSERT INTO ${name} ${rows(count)} SELECT i, ${values} FROM n;`;
const some = 'CREATE TABLE some (id INTEGER PRIMARY KEY, email TEXT, active INTEGER, z INTEGER); CREATE UNIQUE INDEX active_email ON some (email) WHERE active = 1; '
  + "INSERT INTO some VALUES (1, 'a', 1, 0), (2, 'a', 0, 0), (3, 'a', 0, 0), (4, 'b', 1, 0);";
const counted = (body) => `CREATE TABLE log (id INTEGER PRIMARY KEY, ref INTEGER); ${table('b', 'ref INTEGER', 'i')} ${table('c', 'n INTEGER', '0')}
  CREATE VIEW of_b (i, r) AS SELECT * FROM b; CREATE TRIGGER counts AFTER INSERT ON log BEGIN ${body}; END;`;
const children = (count) => table('users', 'name TEXT UNIQUE', "'u' || i", 40)
  + Array.from({ length: count }, (_, at) => table(`child_${at}`, 'user_id INTEGER REFERENCES users (id) ON DELETE CASCADE', 'i', 40)).join(' ');
const wide = Array.from({ length: 60 }, (_, at) => `c${at} INTEGER`).join(', ');
const many = `CREATE TABLE u (id INTEGER PRIMARY KEY, k INTEGER, v INTEGER, x TEXT); INSERT INTO u ${rows(400)} SELECT i, 401 - i, i * 37 % 401, 'n' || i FROM n;`;

export const writes = {
  'IS TRUE is no comparison': { schema: tables, run: ['UPDATE t SET v = 0 WHERE id IS TRUE'] },
  'unique among some rows: all with the key': { schema: some, run: ['UPDATE some SET z = 1 WHERE id = 1', "UPDATE some SET z = 5 WHERE email = 'a'"] },
  'unique among some rows: a collision behind one that is none': { schema: some, run: ['UPDATE some SET z = 1 WHERE id = 2', "INSERT INTO some (email, active) VALUES ('a', 1)"] },
  'unique among some rows: a row comes in with the key that it has': { schema: some, run: ['UPDATE some SET active = 1 WHERE id = 2'] },
  'unique among some rows: and replaces': { schema: some, run: ['UPDATE OR REPLACE some SET active = 1 WHERE id = 2'] },
  'unique among some rows: upsert': { schema: some, run: ['UPDATE some SET z = 1 WHERE id = 2', "INSERT INTO some (email, active) VALUES ('a', 1) ON CONFLICT (email) WHERE active = 1 DO UPDATE SET z = 9"] },
  'an index that tells more spellings apart than its column': {
    schema: "CREATE TABLE n (id INTEGER PRIMARY KEY, e TEXT COLLATE NOCASE); INSERT INTO n VALUES (1, 'a'), (2, 'A'), (3, 'b'); CREATE UNIQUE INDEX letters ON n (e COLLATE BINARY);",
    run: ["UPDATE n SET e = 'A' WHERE id = 1"],
  },
  'RETURNING reads the row as it became': {
    schema: tables, run: ['UPDATE t SET k = 43 WHERE id = 1 RETURNING id, (SELECT v FROM u WHERE u.id = t.k)', 'UPDATE t SET id = 1000, k = 44 WHERE id = 2 RETURNING id, (SELECT v FROM u WHERE u.id = t.k)'],
  },
  'RETURNING reads the table that is written': {
    schema: tables,
    run: [
      'INSERT INTO t (id, k) VALUES (100, 20) RETURNING id, (SELECT w.v FROM t z JOIN t w ON w.id = z.k WHERE z.id IN (100, 101))', 'DELETE FROM t WHERE id = 100 RETURNING id, (SELECT max(id) FROM t)',
      'DELETE FROM t WHERE id = 60 RETURNING id, (SELECT x FROM u WHERE u.id = (SELECT max(id) FROM t))',
    ],
  },
  'SET reads rows that were changed before in the same statement': {
    schema: tables, run: ['UPDATE t SET k = 44, v = (SELECT w.v FROM t z JOIN t w ON w.id = z.k WHERE z.id = t.prev) WHERE id IN (5, 6)'],
  },
  'the same through a view': {
    schema: `${tables} CREATE VIEW of_t (zid, zk) AS SELECT id, k FROM t;`, run: ['UPDATE t SET k = 44, v = (SELECT w.v FROM of_t z JOIN t w ON w.id = z.zk WHERE z.zid = t.prev) WHERE id IN (5, 6)'],
  },
  'the same through a common table expression': {
    schema: tables,
    run: ['WITH z (zid, p, zk, zv, zg, ze) AS (SELECT * FROM t) UPDATE t SET k = 44, v = (SELECT w.v FROM z JOIN t w ON w.id = z.zk WHERE z.zid = t.prev) WHERE id IN (5, 6)'],
  },
  'the same through a computed column': {
    schema: `CREATE TABLE t (id INTEGER PRIMARY KEY, prev INTEGER, k INTEGER, kk INTEGER AS (k), v INTEGER); INSERT INTO t ${rows(60)} SELECT i, i - 1, i + 1, i * 10 FROM n;`,
    run: ['UPDATE t SET k = 44, v = (SELECT w.v FROM t z JOIN t w ON w.id = z.kk WHERE z.id = t.prev) WHERE id IN (5, 6)'],
  },
  'the same by the rowid': {
    schema: `${tables} INSERT INTO u ${rows(400)} SELECT 1000 + i, i, i, 'x' FROM n;`,
    run: [
      "UPDATE t SET id = id + 1300, g = (SELECT u.v FROM t z JOIN u ON u.id = z.rowid WHERE z.e = 'e5' AND t.k > 0) WHERE id IN (5, 6)",
      "UPDATE t SET rowid = rowid + 1300, g = (SELECT u.v FROM t z JOIN u ON u.id = z.id WHERE z.e = 'e15' AND t.k > 0) WHERE id IN (15, 16)",
    ],
  },
  'the same by its place in a union': {
    refusable: true, schema: tables,
    run: [
      'UPDATE t SET k = 44, g = (SELECT w.prev FROM (SELECT id AS zid, v AS zp, ref AS zk, 0, 0, x FROM u WHERE id = 50 UNION ALL SELECT * FROM t) z JOIN t w ON w.id = z.zk WHERE z.zid = t.prev) WHERE id IN (5, 6)',
    ],
  },
  'an upsert reads rows that were changed before in the same statement': {
    schema: tables,
    run: ['INSERT INTO t (id, prev) VALUES (5, 4), (6, 5) ON CONFLICT (id) DO UPDATE SET k = 44, v = (SELECT w.v FROM t z JOIN t w ON w.id = z.k WHERE z.id IN (5, 7) AND z.id = excluded.prev)'],
  },
  'SET reads what a trigger changes between two rows': {
    schema: `${table('a', 'one INTEGER, nxt INTEGER, v INTEGER', '1, 20 + i, 0')} ${table('p', 'ptr INTEGER', 'i')} ${table('u', 'v INTEGER', 'i * 100')}
      CREATE TRIGGER follows AFTER UPDATE ON a BEGIN UPDATE p SET ptr = NEW.nxt WHERE id = 1; END;`,
    run: ['UPDATE a SET v = (SELECT u.v FROM p JOIN u ON u.id = p.ptr WHERE p.id = a.one) WHERE id IN (3, 4, 5, 6)'],
  },
  'SET takes the greatest value after it changed': { schema: many, run: ["UPDATE u SET v = CASE WHEN id > 390 THEN (SELECT max(v) FROM u) ELSE 0 END WHERE v >= 398 OR id = 395"] },
  'the greatest value after a batch that failed': {
    schema: many, run: ["UPDATE u SET x = 'changed' WHERE id = 33", ['DELETE FROM u WHERE v = 400 AND id < 390', 'SELECT max(v) FROM u', 'INSERT INTO u (id) VALUES (1)'], ['DELETE FROM u WHERE v >= 390 AND id < 390', 'SELECT max(v) FROM u']],
  },
  'the first of a queue': { schema: tables, run: ['UPDATE t SET g = 9 WHERE id = (SELECT id FROM t WHERE g = 3 ORDER BY id LIMIT 1) RETURNING id', 'DELETE FROM t WHERE id = (SELECT min(id) FROM t WHERE g = 3) RETURNING id'] },
  'a trigger reads what it wrote': { schema: counted('UPDATE b SET ref = NEW.ref WHERE id = 1; UPDATE c SET n = n + 1 WHERE id = (SELECT ref FROM b WHERE id = 1)'), run: ['INSERT INTO log (ref) VALUES (7)'] },
  'a trigger reads what it wrote, through a view': {
    schema: counted('UPDATE b SET ref = NEW.ref WHERE id = 1; UPDATE c SET n = n + 1 WHERE id = (SELECT r FROM of_b WHERE i = 1)'), run: ['INSERT INTO log (ref) VALUES (7)'],
  },
  'a trigger reads what the batch wrote': {
    schema: counted('UPDATE c SET n = n + 1 WHERE id = (SELECT r FROM of_b WHERE i = 1)'), run: [['UPDATE b SET ref = 8 WHERE id = 1', 'INSERT INTO log (ref) VALUES (7)']],
  },
  'a trigger reads the row that fires it': {
    schema: `${table('a', 'ref INTEGER', 'i')} ${table('c', 'n INTEGER', '0')} CREATE TRIGGER own AFTER UPDATE ON a BEGIN DELETE FROM c WHERE id IN (SELECT ref FROM a WHERE id = OLD.id); END;`,
    run: ['UPDATE a SET ref = 50 WHERE id = 3'],
  },
  'a table that a trigger calls new': {
    schema: `${table('t', 'v INTEGER', 'i')} CREATE TABLE one (id INTEGER PRIMARY KEY, w INTEGER); INSERT INTO one VALUES (1, 1); CREATE TABLE l (x);
      CREATE TRIGGER hides AFTER UPDATE ON one BEGIN INSERT INTO l SELECT new.v FROM t AS new WHERE new.id = old.w + 10; END;`,
    run: ['UPDATE one SET w = 2 WHERE id = 1'],
  },
  'a trigger that copies sixty columns': {
    schema: `CREATE TABLE w (id INTEGER PRIMARY KEY, ${wide}); CREATE TABLE copy (id INTEGER PRIMARY KEY, ${wide}); INSERT INTO w (id) ${rows(30)} SELECT i FROM n; INSERT INTO copy (id) ${rows(30)} SELECT i FROM n;
      CREATE TRIGGER copies AFTER UPDATE ON w BEGIN UPDATE copy SET ${Array.from({ length: 60 }, (_, at) => `c${at} = NEW.c${at}`).join(', ')} WHERE id = NEW.id; END;`,
    run: ['UPDATE w SET c1 = 5 WHERE id = 3'],
  },
  'forty tables refer to one': { schema: children(40), run: ['DELETE FROM users WHERE id = 7', "UPDATE users SET name = 'x' WHERE id = 3", "INSERT INTO users (name) VALUES ('u9')"] },
  'a drawn rowid refers to another table': {
    schema: `${table('users', 'n TEXT', "'u'", 40)} CREATE TABLE profile (id INTEGER PRIMARY KEY REFERENCES users (id), bio TEXT); INSERT INTO profile ${rows(20)} SELECT i, 'x' FROM n;`,
    run: ["INSERT INTO profile (bio) VALUES ('a'), ('b')", 'DELETE FROM users WHERE id = 30', "INSERT INTO profile (id, bio) VALUES (39, 'c')", "INSERT INTO profile (bio) VALUES ('d')", "INSERT INTO profile (bio) VALUES ('e')"],
  },
  'a trigger takes the highest row away before one is drawn': {
    schema: `${table('t', 'kill INTEGER, e TEXT UNIQUE', "0, 'e' || i", 100)} CREATE TRIGGER kills BEFORE INSERT ON t BEGIN DELETE FROM t WHERE id = NEW.kill; END;`,
    run: ["INSERT INTO t (kill, e) VALUES (100, 'a')", "INSERT INTO t (kill, e) VALUES (98, 'b'), (100, 'c'), (99, 'd')"],
  },
  'INTEGER PRIMARY KEY DESC is not the rowid': {
    schema: `CREATE TABLE d (id INTEGER PRIMARY KEY DESC, v TEXT); INSERT INTO d ${rows(50)} SELECT 100 - i, 'v' || i FROM n; DELETE FROM d WHERE id > 90;`,
    run: ["UPDATE d SET v = 'x' WHERE id = 70", 'SELECT rowid, * FROM d WHERE id = 70', "INSERT INTO d VALUES (60, 'dup')", "INSERT INTO d VALUES (200, 'new') RETURNING rowid", "UPDATE d SET v = 'y' WHERE rowid = 20"],
  },
  'chance, and two levels of references behind triggers': {
    refusable: true,
    schema: `${table('p1', 'x', '0', 30)} ${table('p2', 'x', '0', 30)} ${table('p3', 'x', '0', 30)} CREATE TABLE a (id INTEGER PRIMARY KEY, k INTEGER, p INTEGER REFERENCES p1 (id));
      CREATE TABLE b (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p2 (id)); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p3 (id));
      CREATE TRIGGER ta AFTER INSERT ON a BEGIN INSERT INTO b (p) VALUES (NEW.p + 1); END; CREATE TRIGGER tb AFTER INSERT ON b BEGIN INSERT INTO c (p) VALUES (NEW.p + 1); END;`,
    run: ['INSERT INTO a (k, p) VALUES (random() & 0, 5)'],
  },
  'two rules of a STRICT table are broken at once': {
    refusable: true, schema: `CREATE TABLE s (id INTEGER PRIMARY KEY, e TEXT UNIQUE, n INTEGER) STRICT; INSERT INTO s ${rows(30)} SELECT i, 'e' || i, i FROM n;`, run: ["INSERT INTO s VALUES (5, 'x', 'text')"],
  },
  'and one of them is to be ignored': {
    refusable: true, schema: `CREATE TABLE s (id INTEGER PRIMARY KEY, e TEXT UNIQUE, n INTEGER) STRICT; INSERT INTO s ${rows(30)} SELECT i, 'e' || i, i FROM n;`, run: ["INSERT OR IGNORE INTO s VALUES (6, 'e7', 'text')"],
  },
  'a newline in the name of a key': {
    schema: `CREATE TABLE t (id INTEGER PRIMARY KEY, "a\nb" TEXT UNIQUE, "p|q" TEXT, "dou""ble" TEXT UNIQUE); INSERT INTO t ${rows(30)} SELECT i, 'a' || i, 'p', 'd' || i FROM n;`,
    run: ['INSERT INTO t ("a\nb") VALUES (\'a5\')', 'UPDATE t SET "p|q" = \'x\' WHERE "a\nb" = \'a7\'', 'INSERT INTO t ("dou""ble") VALUES (\'d5\')'],
  },
  'text that is not UTF-8': {
    schema: `CREATE TABLE one (id INTEGER PRIMARY KEY, n TEXT); ${table('s', 'txt TEXT, c INTEGER', "'x' || i, 0")} INSERT INTO s VALUES (70, CAST(x'ff41' AS TEXT), 0), (71, char(65533) || 'A', 0);
      CREATE TRIGGER finds AFTER INSERT ON one BEGIN UPDATE s SET c = c + 1 WHERE txt = NEW.n; END;`,
    run: ["INSERT INTO one (n) VALUES (CAST(x'ff41' AS TEXT))", "INSERT INTO one (n) VALUES (char(65533) || 'A')"],
  },
  'thousands of keys with a point in them': {
    schema: table('t', 'e TEXT UNIQUE', "'e' || i || '@x.org'", 3000), run: [`INSERT OR IGNORE INTO t (e) ${rows(6000)} SELECT 'e' || (i * 2) || '@x.org' FROM n`],
  },
  'long values that a trigger passes on': {
    refusable: true,
    schema: `${table('docs', 'raw BLOB', "x'00'", 20)} ${table('copy', 'raw BLOB', "x'00'", 20)} CREATE TRIGGER copies AFTER UPDATE ON docs BEGIN UPDATE copy SET raw = NEW.raw WHERE id = NEW.id; END;`,
    run: ['UPDATE docs SET raw = zeroblob(1400000) WHERE id = 6', 'SELECT length(raw) FROM copy WHERE id = 6'], anyRows: true,
  },
  'long values in a unique key': {
    refusable: true, schema: table('r', 'b BLOB UNIQUE', 'CAST(i AS BLOB)', 20), run: ['INSERT INTO r (b) VALUES (zeroblob(1400000))', 'SELECT length(b) FROM r WHERE id = 21'], anyRows: true,
  },
  'a unique key of forty columns': {
    refusable: true,
    schema: `CREATE TABLE w (id INTEGER PRIMARY KEY, ${wide}); INSERT INTO w (id, c1) ${rows(30)} SELECT i, i FROM n; CREATE UNIQUE INDEX forty ON w (${Array.from({ length: 40 }, (_, at) => `c${at}`).join(', ')});`,
    run: ['UPDATE w SET c50 = 5 WHERE id = 7', 'INSERT INTO w (c1) VALUES (5)'],
  },
  'a sample drawn by chance': { schema: tables, anyRows: true, run: ['UPDATE t SET v = 1 WHERE id IN (SELECT id FROM u ORDER BY random() LIMIT 3)'] },
};
