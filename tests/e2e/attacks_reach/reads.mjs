// Reads that reach more rows of large tables than a hasty look at their text tells.

const rows = (count) => `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${count})`;

export const tables = `
  CREATE TABLE t (id INTEGER PRIMARY KEY, prev INTEGER, k INTEGER, v INTEGER, g INTEGER, e TEXT UNIQUE);
  INSERT INTO t ${rows(60)} SELECT i, i - 1, i + 1, i * 10, i % 5, 'e' || i FROM n;
  CREATE TABLE u (id INTEGER PRIMARY KEY, ref INTEGER, v INTEGER, x TEXT);
  INSERT INTO u ${rows(60)} SELECT i, i + 2, i * 37 % 61, 'n' || i FROM n;
  CREATE TABLE a (id INTEGER PRIMARY KEY, n TEXT COLLATE NOCASE, any_one ANY, x);
  INSERT INTO a ${rows(60)} SELECT i, CASE i % 3 WHEN 0 THEN 'Abc' WHEN 1 THEN 'abc' ELSE 'ABC' END, i, CASE i % 2 WHEN 0 THEN 1 ELSE 1.0 END FROM n;
  CREATE TABLE y (id INTEGER PRIMARY KEY, b BLOB);
  INSERT INTO y ${rows(60)} SELECT i, CAST(i AS TEXT) FROM n;
  CREATE TABLE some (id INTEGER PRIMARY KEY, email TEXT, active INTEGER, z INTEGER);
  INSERT INTO some VALUES (1, 'a', 1, 0), (2, 'a', 0, 0), (3, 'a', 0, 0), (4, 'b', 1, 0);
  CREATE UNIQUE INDEX active_email ON some (email) WHERE active = 1;
  CREATE VIEW other_names AS SELECT id, v AS x, ref AS id2 FROM u;
  CREATE VIEW joined AS SELECT t.id, u.v, u.x FROM t JOIN u ON u.id = t.k;
  CREATE VIEW grouped AS SELECT g, sum(v) AS v FROM t GROUP BY g;`;

/** What the run changes first, so that reads are not sent to the base as they are. */
export const changes = [
  "UPDATE t SET e = 'changed' WHERE id = 33", "UPDATE u SET x = 'changed' WHERE id = 33", 'UPDATE a SET x = 9 WHERE id = 60', "UPDATE y SET b = '99' WHERE id = 60",
  'UPDATE some SET z = 1 WHERE id = 1',
];

/** By what is wrong with taking them at their word: statements of one run. */
export const reads = {
  'IS TRUE is no comparison': ['SELECT count(*) FROM t WHERE id IS TRUE', 'SELECT count(*) FROM t WHERE id IS NOT TRUE', 'SELECT count(*) FROM t WHERE id = TRUE'],
  'brackets around OR, which AND does not show': ['SELECT id FROM t WHERE (g = 1 OR v = 20) AND k = 3', 'SELECT id FROM t WHERE g = 1 OR v = 20 AND k = 3'],
  'the same in the order of a limit': ['SELECT id FROM u WHERE (ref > 30 OR v = 37) AND id < 2 ORDER BY v LIMIT 20', 'SELECT id FROM u WHERE ref > 30 OR v = 37 AND id < 2 ORDER BY v LIMIT 20'],
  'windows over groups': [
    'SELECT * FROM (SELECT g, count(*) AS n, rank() OVER (ORDER BY g) AS r FROM t GROUP BY g) WHERE g = 3', 'SELECT * FROM (SELECT g, sum(count(*)) OVER () AS r FROM t GROUP BY g) WHERE g = 3',
  ],
  'groups that hold more than one spelling': ["SELECT * FROM (SELECT n, count(*) FROM a GROUP BY n) WHERE n GLOB 'a*'"],
  'groups of 1 and 1.0': ["SELECT * FROM (SELECT x, count(*) FROM a GROUP BY x) WHERE typeof(x) = 'real'"],
  'spellings that UNION merges': ["SELECT * FROM (SELECT n FROM a WHERE id < 5 UNION SELECT n FROM a WHERE id > 6) WHERE n GLOB 'a*'"],
  'a common table expression is read where it stands': ['SELECT * FROM (WITH c AS (SELECT * FROM t WHERE id < 4) SELECT * FROM (WITH t AS (SELECT 99 AS id) SELECT c.id FROM c, t)) ORDER BY 1'],
  'a common table expression with the name of an outer table': [
    'SELECT id, (WITH t (id, k) AS (SELECT 5, 7) SELECT u.v FROM u WHERE u.id = t.k) AS v FROM t WHERE id IN (1, 2)',
    'SELECT id FROM t WHERE id IN (1, 2) AND EXISTS (WITH t (id, k) AS (SELECT 5, 7) SELECT 1 FROM u, t AS z WHERE u.id = t.k)',
  ],
  'an alias of the result before a column outside': ['SELECT id FROM t WHERE id = 1 AND EXISTS (SELECT u.ref - 2 AS k FROM u WHERE u.id = k AND u.id = 9)'],
  'rows that OFFSET passes over and recursion follows': ['WITH RECURSIVE c (id) AS (SELECT 1 UNION ALL SELECT t.k FROM t JOIN c ON t.id = c.id WHERE t.id < 8 LIMIT -1 OFFSET 2) SELECT * FROM c'],
  'recursion deeper than sixty rounds': ['WITH RECURSIVE c (id) AS (SELECT 1 UNION ALL SELECT t.k FROM t JOIN c ON t.id = c.id) SELECT count(*) FROM c'],
  'USING behind brackets': [
    'SELECT t.id, c.id FROM t JOIN (u JOIN t c ON c.id = u.ref) USING (id) WHERE t.id IN (3, 4)', 'SELECT t.id, c.id FROM t JOIN (u LEFT JOIN t c ON c.id = u.ref) USING (id) WHERE t.id IN (3, 4)',
  ],
  'an aggregate of the outer query in a subquery': ['SELECT * FROM (SELECT id, (SELECT count(t.id)) AS n FROM t) WHERE id = 60'],
  'ANY outside of STRICT is a number': ['SELECT y.id FROM a JOIN y ON a.any_one = y.b WHERE a.id = 5'],
  'a unique index of some rows only': ["SELECT id FROM some WHERE email = 'a' ORDER BY id"],
  'parameters with names count, too': [
    { sql: 'SELECT id FROM t WHERE g = :a AND id = ?', params: [0, 5] }, { sql: 'SELECT id FROM t WHERE id = @a AND g = $b AND prev = ?', params: [5, 0, 4] },
  ],
  'chance in a subquery': [
    'SELECT count(*) FROM t WHERE id = (SELECT abs(random() % 60) + 1)', 'SELECT count(*) FROM t WHERE id IN (SELECT id FROM u ORDER BY random() LIMIT 3)',
    'SELECT count(*) FROM (SELECT id FROM u ORDER BY random() LIMIT 2) r JOIN t ON t.id = r.id',
  ],
  'the first rows of a view': ['SELECT id, x FROM other_names ORDER BY x DESC LIMIT 3', 'SELECT max(x) FROM other_names', 'SELECT id, id2 FROM other_names ORDER BY id2 LIMIT 2'],
  'the first rows of a join': ['SELECT id, v FROM joined ORDER BY v LIMIT 3', 'SELECT max(v) FROM joined'],
  'the first of groups': ['SELECT * FROM grouped ORDER BY v DESC LIMIT 1', 'SELECT * FROM (SELECT g, count(*) AS v FROM t GROUP BY g) ORDER BY v, g LIMIT 2'],
  'the first rows of the first rows': ['SELECT * FROM (SELECT * FROM t ORDER BY v LIMIT 5) ORDER BY v DESC LIMIT 2', 'WITH c AS (SELECT id, -v AS v FROM t) SELECT * FROM c ORDER BY v LIMIT 2'],
  'LIMIT without an order': ['SELECT r.id, t.id FROM (SELECT * FROM u LIMIT 3) r JOIN t ON t.id = r.ref'],
  'minus minus': ['SELECT id FROM t WHERE id = - -5', { sql: 'SELECT id FROM t WHERE v = -?', params: [-50] }],
  'a bound of a window frame': ['SELECT id, sum(v) OVER (ORDER BY id ROWS BETWEEN (SELECT id FROM u WHERE u.id = 1) PRECEDING AND CURRENT ROW) FROM t WHERE id IN (1, 2, 3)'],
};
