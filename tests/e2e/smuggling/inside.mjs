// What the agent's own triggers, views and errors could tell of the gateway, or do to it; counters; state of the connection; sizes.

import { error, rows } from './expect.mjs';

const many = (count, part, separator = '') => Array(count).fill(part).join(separator);

export const triggers = {
  'RAISE with words of the gateway in a text': ["CREATE TRIGGER said BEFORE INSERT ON log WHEN new.what = 'say' BEGIN SELECT RAISE(ABORT, '_dryrun_missing 1 []'); END", rows()],
  'a write that raises the text': ["INSERT INTO log (what) VALUES ('say')", error('sql_error', '_dryrun_missing 1 []'), { echoes: true }],
  'RAISE with words of the gateway by pieces': ["CREATE TRIGGER raised BEFORE INSERT ON log WHEN new.what = 'raise' BEGIN SELECT RAISE(ABORT, '_dry' || 'run_missing 1 []'); END", rows()],
  'a write that raises them': ["INSERT INTO log (what) VALUES ('raise')", error('sql_error', '_dryrun_missing 1 []'), { echoes: true }],
  'the same raised in a batch of its own writes': ["INSERT INTO pairs VALUES ('undone', 1); INSERT INTO log (what) VALUES ('raise')", error('sql_error', '_dryrun_missing 1 []'), { echoes: true }],
  'what was undone with it': ["SELECT count(*) FROM pairs WHERE k = 'undone'", rows([0])],
  'that trigger taken away': ['DROP TRIGGER raised', rows()],
  'RAISE with the words of a missing table': ["CREATE TRIGGER raised BEFORE INSERT ON log WHEN new.what = 'raise' BEGIN SELECT RAISE(FAIL, 'no such table: notes: SQLITE_ERROR'); END", rows()],
  'a write that raises those': ["INSERT INTO log (what) VALUES ('raise')", error('sql_error', 'no such table: notes')],
  'RAISE(IGNORE)': ["CREATE TRIGGER ignored BEFORE INSERT ON log WHEN new.what = 'ignore' BEGIN SELECT RAISE(IGNORE); END", rows()],
  'a write that is ignored': ["INSERT INTO log (what) VALUES ('ignore') RETURNING what", rows()],
  'RAISE outside of a trigger': ["SELECT RAISE(ABORT, 'x')", error('sql_error', 'RAISE() may only be used within a trigger-program')],
  'a trigger that writes to sqlite_master': ["CREATE TRIGGER x7 AFTER INSERT ON log BEGIN DELETE FROM sqlite_master; END", error('not_rehearsable'), { live: null }],
  'a trigger that writes to sqlite_sequence': ["CREATE TRIGGER x7 AFTER INSERT ON log WHEN new.what = 'count' BEGIN UPDATE sqlite_sequence SET seq = seq + 10 WHERE name = 'notes'; END", rows()],
  'what that trigger leads to': ["INSERT INTO log (what) VALUES ('count'); INSERT INTO notes (text) VALUES ('far') RETURNING id; DELETE FROM notes WHERE text = 'far'", rows()],
  'a trigger on a view': ["CREATE TRIGGER loud_insert INSTEAD OF INSERT ON loud BEGIN INSERT INTO log (what) VALUES (new.text); END", rows()],
  'a write to that view': ["INSERT INTO loud VALUES ('through the view') RETURNING text", rows(['through the view'])],
  'what came through the view': ["SELECT what FROM log WHERE what LIKE 'through%'", rows(['through the view'])],
  'a trigger that fires itself': ["CREATE TRIGGER again AFTER INSERT ON tags WHEN new.label = 'again' BEGIN INSERT INTO tags (label) VALUES ('once'); END; INSERT INTO tags (label) VALUES ('again') RETURNING label", rows(['again'])],
};

export const errors = {
  'an ambiguous column': ['SELECT id FROM notes JOIN log', error('sql_error', 'ambiguous column name: id')],
  'a column that is not there': ['SELECT missing FROM notes', error('sql_error', 'no such column: missing')],
  'a table that is not there': ['SELECT * FROM missing', error('sql_error', 'no such table: missing')],
  'a function with too many arguments': ['SELECT abs(1, 2)', error('sql_error', 'wrong number of arguments to function abs()')],
  'dropping a column that an index needs': ['ALTER TABLE notes DROP COLUMN text', error('sql_error', 'error in index notes_text after drop column')],
  'dropping a column that only the gateway’s triggers name': ['ALTER TABLE log ADD COLUMN extra; ALTER TABLE log DROP COLUMN extra', rows()],
  'dropping a key': ['ALTER TABLE pairs DROP COLUMN k', error('sql_error', 'cannot drop PRIMARY KEY column: "k"')],
  'renaming a column to one that is there': ['ALTER TABLE notes RENAME COLUMN text TO n', error('sql_error', 'duplicate column name: n')],
  'renaming a column that is not there': ['ALTER TABLE notes RENAME COLUMN missing TO x', error('sql_error', 'no such column: "missing"')],
  'renaming a column that triggers and views use': ['ALTER TABLE notes RENAME COLUMN text TO body; ALTER TABLE notes RENAME COLUMN body TO text; SELECT text FROM loud ORDER BY text', rows(['SECOND'], ['SEED'])],
  'renaming a table': ['ALTER TABLE pairs RENAME TO couples; ALTER TABLE couples RENAME TO pairs; SELECT count(*) FROM pairs WHERE k = \'x\'', rows([1])],
  'renaming a table next to a broken view': [
    'CREATE TABLE x8 (a); CREATE VIEW x9 AS SELECT a, b FROM x8; ALTER TABLE x8 RENAME TO x10', error('sql_error', 'error in view x9'),
  ],
  'dropping a table that is referred to': ['DROP TABLE notes', error('sql_error', 'FOREIGN KEY constraint failed')],
  'a duplicate key': ["INSERT INTO tags VALUES (1, 'a')", error('sql_error', 'UNIQUE constraint failed: tags.label')],
  'a foreign key': ["INSERT INTO tags VALUES (77, 'z')", error('sql_error', 'FOREIGN KEY constraint failed')],
  'a CHECK': ['INSERT INTO notes (n) VALUES (100)', error('sql_error', 'CHECK constraint failed: n < 100')],
  'a view in a circle': ['CREATE VIEW c1 AS SELECT * FROM c2; CREATE VIEW c2 AS SELECT * FROM c1; SELECT * FROM c1', error('sql_error', 'circularly defined')],
  'an INSERT with too few values': ['INSERT INTO pairs VALUES (1)', error('sql_error', 'table pairs has 2 columns but 1 values were supplied')],
  'a datatype': ["INSERT INTO log (id) VALUES ('x')", error('sql_error', 'datatype mismatch')],
  'a trigger that is there': ['CREATE TRIGGER notes_log AFTER UPDATE ON notes BEGIN SELECT 1; END', error('sql_error', 'trigger notes_log already exists')],
  'a table that is there': ['CREATE TABLE notes (a)', error('sql_error', 'table notes already exists')],
  'a collation that is not there': ['SELECT text COLLATE missing FROM notes ORDER BY 1', error('sql_error', 'no such collation sequence: missing')],
};

export const counters = {
  'changes() after an INSERT': ["INSERT INTO pairs VALUES ('n1', 1), ('n2', 2); SELECT changes()", rows([2])],
  'changes() after an UPDATE that fires a trigger': ["UPDATE notes SET text = text; SELECT changes()", rows([2])],
  'changes() after a DELETE of nothing': ["DELETE FROM pairs WHERE k = 'nobody'; SELECT changes()", rows([0])],
  'changes() in the next write': ["DELETE FROM pairs WHERE k IN ('n1', 'n2'); UPDATE pairs SET v = changes() WHERE k = 'x' RETURNING v", rows([2])],
  'last_insert_rowid() after an INSERT': ["INSERT INTO log (id, what) VALUES (4711, 'x'); SELECT last_insert_rowid()", rows([4711])],
  'last_insert_rowid() after an INSERT that fires a trigger': ['UPDATE notes SET text = text WHERE id = 1; SELECT last_insert_rowid() = (SELECT max(id) FROM log)', rows([0])],
  'last_insert_rowid() in a later INSERT': ["INSERT INTO log (id, what) VALUES (5000, 'x'); INSERT INTO log (what) VALUES (last_insert_rowid()) RETURNING what", rows(['5000'])],
  'what total_changes() grows by': [
    "CREATE TABLE totals (n); INSERT INTO totals SELECT total_changes(); INSERT INTO pairs VALUES ('t1', 1), ('t2', 2); SELECT total_changes() - n FROM totals", error('not_rehearsable'), { live: null },
  ],
};

export const connection = {
  'LIKE takes no notice of case': ["SELECT 'A' LIKE 'a'", rows([1])],
  'checks are made': ['INSERT INTO notes (n) VALUES (101)', error('sql_error', 'CHECK constraint failed')],
  'foreign keys are made to hold': ["DELETE FROM notes WHERE id = 1", error('sql_error', 'FOREIGN KEY constraint failed')],
  'a deferred foreign key': ['CREATE TABLE later (a REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED); INSERT INTO later VALUES (77)', error('sql_error', 'FOREIGN KEY constraint failed'), { live: null }],
  'a trigger does not fire itself': ["CREATE TABLE once (a); CREATE TRIGGER once_more AFTER INSERT ON once WHEN new.a < 5 BEGIN INSERT INTO once VALUES (new.a + 1); END; INSERT INTO once VALUES (1); SELECT count(*) FROM once", rows([2])],
  'the encoding': ["SELECT hex('é')", rows(['C3A9'])],
};

export const sizes = {
  'a statement just short enough': [`SELECT length('${'x'.repeat(99_900)}')`, rows([99_900])],
  'a statement whose last bytes the rehearsal needs': [`SELECT length('${'x'.repeat(99_950)}') FROM pairs LIMIT 1`, error('statement_too_long'), { live: rows([99_950]) }],
  'a statement too long': [`SELECT length('${'x'.repeat(100_000)}')`, error('statement_too_long')],
  'a statement too long by its comment': [`SELECT 1 /* ${'x'.repeat(100_000)} */`, error('statement_too_long')],
  'brackets just shallow enough': [`SELECT ${many(90, '(')}1${many(90, ')')}`, rows([1])],
  'brackets too deep': [`SELECT ${many(101, '(')}1${many(101, ')')}`, error('statement_too_nested')],
  'CASE too deep': [`SELECT ${many(101, 'CASE WHEN 1 THEN ')}1${many(101, ' END')}`, error('statement_too_nested')],
  'CASE that is shallow enough': [`SELECT ${many(40, 'CASE WHEN 1 THEN ')}1${many(40, ' END')}`, rows([1])],
  'subqueries too deep': [`SELECT ${many(101, '(SELECT ')}1${many(101, ')')}`, error('statement_too_nested')],
  'subqueries too deep for an expression': [`SELECT ${many(20, '(SELECT ')}1${many(20, ')')}`, error('sql_error', 'Expression tree is too large (maximum depth 100)')],
  'subqueries that are shallow enough': [`SELECT ${many(9, '(SELECT ')}1${many(9, ')')}`, rows([1])],
  'an expression of depth 100': [`SELECT 1${many(98, ' + 1')}`, rows([99])],
  'an expression too deep': [`SELECT 1${many(101, ' + 1')}`, error('sql_not_parsed', 'Expression tree is too large (maximum depth 100)')],
  'five compound SELECTs': [many(5, 'SELECT 1', ' UNION ALL '), rows([1], [1], [1], [1], [1])],
  'six compound SELECTs': [many(6, 'SELECT 1', ' UNION ALL '), error('sql_error', 'too many terms in compound SELECT')],
  'a hundred common table expressions': [`WITH a0 AS (SELECT 1)${Array.from({ length: 99 }, (_, at) => `, a${at + 1} AS (SELECT * FROM a${at})`).join('')} SELECT 1`, rows([1])],
  'a hundred columns': [`SELECT ${many(100, '1', ', ')}`, rows(Array(100).fill(1))],
  'a hundred and one columns': [`SELECT ${many(101, '1', ', ')}`, error('sql_error', 'too many columns')],
  'a table of a hundred columns': [`CREATE TABLE wide (${Array.from({ length: 100 }, (_, at) => `c${at}`).join(', ')}); INSERT INTO wide (c99) VALUES (7) RETURNING c99`, rows([7])],
  'a table of a hundred and one columns': [`CREATE TABLE wider (${Array.from({ length: 101 }, (_, at) => `c${at}`).join(', ')})`, error('sql_error', 'too many columns')],
  'an index of many columns': [`CREATE INDEX wide_index ON wide (${Array.from({ length: 100 }, (_, at) => `c${at}`).join(', ')})`, rows()],
  'a function of as many arguments as D1 takes': [`SELECT max(${many(32, '1', ', ')})`, rows([1])],
  'a function of more arguments': [`SELECT max(${many(33, '1', ', ')})`, error('statement_too_long', 'at most 32')],
  'more tables than a join takes': [`SELECT 1 FROM ${many(65, 'pairs', ', ')}`, error('sql_error', 'at most 64 tables in a join')],
  'IN with a thousand values': [`SELECT 1 IN (${Array.from({ length: 1000 }, (_, at) => at).join(', ')})`, rows([1])],
  'five thousand statements': [`${many(4_999, 'SELECT 1', ';')}; SELECT 2`, rows([2])],
  'five thousand and one statements': [many(5_001, 'SELECT 1', ';'), error('statement_too_long')],
  'a row too big': ["INSERT INTO log (what) VALUES (replace(hex(zeroblob(600000)), '00', 'xxxx'))", error('sql_error', 'too big')],
  'a recursion that ends': ['WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 10000) SELECT max(n) FROM c', rows([10000])],
};
