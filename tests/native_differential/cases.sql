# REPLACE puts the default where it finds a NULL, and that collides
CREATE TABLE t0 (id TEXT PRIMARY KEY, n INTEGER UNIQUE, s TEXT NOT NULL DEFAULT '' UNIQUE) WITHOUT ROWID
INSERT INTO t0 VALUES ('b', 1, '')
--
INSERT OR REPLACE INTO t0 (id, n, s) VALUES ('a', 3, 'x'), ('c', 2, NULL)

# a trigger that is made in the batch in which it fires reaches rows that are not here
CREATE TABLE t0 (id INTEGER, id2 INTEGER, x, PRIMARY KEY (id, id2)) WITHOUT ROWID
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 60) INSERT INTO t0 SELECT i / 2, i, i FROM c
--
CREATE TRIGGER g AFTER INSERT ON t0 FOR EACH ROW BEGIN UPDATE t0 SET x = NEW.x WHERE id = NEW.id; END ;; REPLACE INTO t0 VALUES (17, 100, 'new'), (3, 100, 'new')
SELECT count(*) FROM t0 WHERE x = 'new' AND id = 17

# a statement that leaves rows behind when it fails is asked again for its own error
CREATE TABLE big (id INTEGER PRIMARY KEY, x)
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 60) INSERT INTO big SELECT i, i FROM c
--
CREATE TABLE t (id INTEGER, o INTEGER NOT NULL ON CONFLICT REPLACE DEFAULT 7, PRIMARY KEY (id)) STRICT
CREATE TABLE u (id INTEGER, id2 TEXT, o INTEGER NOT NULL, PRIMARY KEY (id, id2)) STRICT
UPDATE big SET x = 0 WHERE id = 3
INSERT OR FAIL INTO u VALUES (1, 'a', 1), (2, 'b', NULL)
SELECT count(*) FROM u

# a cascade and a trigger touch a row under its new key before the row itself tells of it
CREATE TABLE t1 (id INTEGER PRIMARY KEY, s)
CREATE TABLE t2 (id INTEGER PRIMARY KEY, p INTEGER, FOREIGN KEY (p) REFERENCES t1 (id) ON UPDATE CASCADE)
CREATE TRIGGER g AFTER UPDATE ON t2 BEGIN UPDATE t1 SET s = 'touched' WHERE id = NEW.p; END
INSERT INTO t1 VALUES (1, 'a'), (2, 'b')
INSERT INTO t2 VALUES (1, 1), (2, 2)
--
UPDATE t1 SET id = 30 WHERE id = 1
