# 9 the last digit of a number in the report
CREATE TABLE t1 (id INTEGER PRIMARY KEY, r REAL UNIQUE)
INSERT INTO t1 VALUES (3, 1e308)
--
UPDATE t1 SET r = r / 3

# 15 a key that is not UTF-8
CREATE TABLE t0 (id TEXT, n INT, PRIMARY KEY (id)) WITHOUT ROWID
INSERT INTO t0 VALUES ('a', 1), ('b', 2)
--
UPDATE t0 SET id = CAST(x'c328' AS TEXT) WHERE id = 'a'

# 15b
CREATE TABLE t0 (id TEXT, n INT, PRIMARY KEY (id)) WITHOUT ROWID
INSERT INTO t0 VALUES (CAST(x'c328' AS TEXT), 1), ('b', 2)
--
UPDATE t0 SET n = 5 WHERE n = 1

# 16 an INSERT of one row into a parent that a foreign key does not fit
CREATE TABLE t0 (id TEXT PRIMARY KEY, n INTEGER, x INT)
CREATE TABLE t1 (id INTEGER PRIMARY KEY, p0 INT, FOREIGN KEY (p0) REFERENCES t0 (x))
--
INSERT INTO t0 (id, n, x) VALUES ('_', 8, 1)
