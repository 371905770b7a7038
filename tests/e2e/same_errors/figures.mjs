// What describes a statement and the schema: figures of `meta`, PRAGMAs, the schema's own table, long definitions.

const t = "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')";
const one = (name, base, run, more = {}) => ({ name, base, run, ...more });
const changed = { figures: ['changed_db'] };
const own = "name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY name";
const body = (count, text) => Array.from({ length: count }, (_, index) => `${text} WHERE id = ${index};`).join(' ');

export const pairs = [
  one('a table that is made', t, ['CREATE TABLE u (id INTEGER PRIMARY KEY, s TEXT UNIQUE)', 'CREATE TABLE IF NOT EXISTS u (x)', 'CREATE INDEX us ON u (s)', 'CREATE INDEX IF NOT EXISTS us ON u (s)', 'DROP TABLE IF EXISTS nowhere', 'DROP INDEX IF EXISTS nowhere', 'CREATE TABLE w AS SELECT * FROM t'], changed),
  one('rows that are written', t, ["UPDATE t SET s = 'c' WHERE id = 1", "UPDATE t SET s = 'c' WHERE id = 9", 'DELETE FROM t WHERE id = 9', "INSERT INTO t VALUES (3, 'd')", "INSERT OR IGNORE INTO t VALUES (3, 'd')", "INSERT INTO t SELECT * FROM t WHERE 0", 'DELETE FROM t', 'DELETE FROM t', 'SELECT 1'], changed),
  one('PRAGMAs of the schema', t, ['CREATE TABLE u (a, b)', 'PRAGMA table_info(u)', 'PRAGMA main.table_info(u)', 'PRAGMA temp.table_info(u)', 'PRAGMA temp.table_info(t)', 'PRAGMA nowhere.table_info(t)', 'PRAGMA table_info(nowhere)', 'PRAGMA index_list(t)', 'PRAGMA temp.index_list(t)', 'PRAGMA foreign_key_list(t)', 'PRAGMA foreign_key_check', 'PRAGMA foreign_key_check(nowhere)', 'PRAGMA table_xinfo(t)', 'PRAGMA index_info(nowhere)']),
  one('PRAGMAs of another schema before anything is written', t, ['PRAGMA temp.table_info(t)', 'PRAGMA temp.foreign_key_check(t)', 'PRAGMA main.table_info(t)']),
  one('the tables that the schema lists, the platform’s own left out', t, [`SELECT type, name, tbl_name FROM sqlite_master WHERE ${own}`, 'CREATE TABLE u (a)', `SELECT type, name, tbl_name FROM sqlite_master WHERE ${own}`, `SELECT count(*) FROM (SELECT name FROM sqlite_master WHERE ${own})`, `SELECT name, type FROM pragma_table_list WHERE ${own}`]),
  one('a trigger of many statements', t, [`CREATE TRIGGER tr AFTER DELETE ON t BEGIN ${body(400, "UPDATE t SET s = 'x'")} END`, 'DELETE FROM t WHERE id = 2', 'SELECT * FROM t']),
  one('a trigger of many long statements', t, [`CREATE TRIGGER tr AFTER INSERT ON t BEGIN ${body(900, `UPDATE t SET s = '${'y'.repeat(50)}'`)} END`, "INSERT INTO t VALUES (7, 'z')", 'SELECT * FROM t']),
  one('a trigger that is too long', t, [`CREATE TRIGGER tr AFTER INSERT ON t BEGIN ${body(2_000, `UPDATE t SET s = '${'y'.repeat(50)}'`)} END`, "INSERT INTO t VALUES (7, 'z')"]),
  one('a trigger of many statements, in the base', `${t}; CREATE TRIGGER tr AFTER INSERT ON t BEGIN ${body(900, `UPDATE t SET s = '${'y'.repeat(50)}'`)} END`, ["INSERT INTO t VALUES (7, 'z')", 'SELECT * FROM t', 'ALTER TABLE t RENAME COLUMN s TO r', "INSERT INTO t VALUES (8, 'z')"]),
  one('a view that is long', t, [`CREATE VIEW v AS SELECT ${Array.from({ length: 90 }, (_, index) => `s || '${'y'.repeat(900)}' AS c${index}`).join(', ')} FROM t`, 'SELECT c1 FROM v WHERE c2 IS NULL', "UPDATE t SET s = 'n' WHERE id IN (SELECT id FROM t, v)"]),
  one('names of all sorts', 'CREATE TABLE "a b" ("c""d" INTEGER PRIMARY KEY, "e\'f" TEXT, "select" TEXT, [g h] TEXT, `i` TEXT); INSERT INTO "a b" VALUES (1, \'x\', \'y\', \'z\', \'w\')', ['UPDATE "a b" SET "e\'f" = 1, "select" = 2, [g h] = 3', 'INSERT INTO "a b" ("c""d") VALUES (1)', 'INSERT INTO "a b" ("c""d") VALUES (2)', 'ALTER TABLE "a b" RENAME COLUMN "c""d" TO "x""y"', 'SELECT * FROM "a b"', 'ALTER TABLE "a b" ADD COLUMN "new, one" AS ("select" || 1)', 'DROP TABLE "a b"']),
  one('tables without rows or columns that tell them apart', 'CREATE TABLE n (a); CREATE TABLE h (rowid TEXT, _rowid_ TEXT, oid TEXT)', ['DELETE FROM n', 'UPDATE n SET a = 1', 'INSERT INTO n DEFAULT VALUES', 'SELECT * FROM n', 'SELECT * FROM h']),
  one('a key of many columns', `CREATE TABLE k (${Array.from({ length: 40 }, (_, index) => `c${index} INT`).join(', ')}, PRIMARY KEY (${Array.from({ length: 40 }, (_, index) => `c${index}`).join(', ')})) WITHOUT ROWID`, [`INSERT INTO k VALUES (${Array.from({ length: 40 }, (_, index) => index).join(', ')})`, `INSERT INTO k VALUES (${Array.from({ length: 40 }, (_, index) => index).join(', ')})`, 'UPDATE k SET c5 = 9', 'DELETE FROM k'], { refused: /k, whose columns have too many and too long names to be reported/ }),
  one('a table of a hundred columns', `CREATE TABLE w (${Array.from({ length: 100 }, (_, index) => `c${index}`).join(', ')}); INSERT INTO w (c0, c99) VALUES (1, 2)`, ['UPDATE w SET c50 = c99', 'INSERT INTO w (c3) VALUES (4)', 'SELECT c0, c3, c50, c99 FROM w', 'DELETE FROM w WHERE c0 = 1'], { unread: ['w'] }),
];
