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

# 17 a constant that fails, in a virtual column
CREATE TABLE t (id INTEGER PRIMARY KEY, j TEXT)
INSERT INTO t VALUES (1, 'no json'), (2, '{}')
ALTER TABLE t ADD COLUMN g AS (CASE json_valid(j) WHEN 1 THEN 1 ELSE abs(-9223372036854775807 - 1) END)
--
UPDATE t SET id = 20 WHERE id = 2
