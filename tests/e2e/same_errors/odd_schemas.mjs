// Random bases with odd definitions and rows that their definitions would not take, and random statements on them. Deterministic by a seed.

/** Numbers from 0 to 1 that a seed gives (mulberry32). */
export function dice(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (count) => Math.floor(next() * count);
  return { below, pick: (list) => list[below(list.length)], percent: (share) => next() * 100 < share, some: (list, share) => list.filter(() => next() * 100 < share) };
}

const tables = ['t0', 't1', 't2'];
// One in ten is not there.
const names = [...tables, ...tables, ...tables, 'gone'];
const values = ['1', '2', '3', "'1'", "'a'", "'A'", "'b '", 'NULL', '2.0', '-1', "x'00'", "'{\"x\":1}'", "'no json'", '9223372036854775807', '-9223372036854775808', "'é'", "''", '0.5', '1e308'];
const long = `'${'a'.repeat(60)}%'`;
const actions = ['', ' ON DELETE CASCADE', ' ON DELETE SET NULL', ' ON UPDATE CASCADE', ' ON DELETE SET DEFAULT', ' DEFERRABLE INITIALLY DEFERRED', ' ON DELETE RESTRICT ON UPDATE SET NULL'];
const expressions = ['a', 'b', 'a + 1', 'length(c)', 'b IS NULL', "json_extract(c, '$.x')", 'abs(a)', 'a + b', 'lower(c)', 'a', "c ->> 'x'", 'length(c)', 'a * b', "CASE WHEN json_valid(c) THEN json_extract(c, '$.x') END", "c LIKE 'a%'", 'coalesce(a, b, c)', 'a IN (1, 2)', "json_type(c)"];

export function makeBase({ pick, percent, below, some }) {
  const made = [];
  for (const name of tables) {
    const strict = percent(15);
    const type = (list) => (strict ? pick(['INT', 'TEXT', 'ANY', 'REAL']) : pick(list));
    const reference = () => (percent(20) ? ` REFERENCES ${pick(names)}${pick(['', '', ' (id)', ' (a)', ' (c)', ' (missing)'])}${pick(actions)}` : '');
    const key = pick(['id INTEGER PRIMARY KEY', 'id INTEGER PRIMARY KEY', 'id INTEGER PRIMARY KEY AUTOINCREMENT', strict ? 'id INT PRIMARY KEY' : 'id TEXT PRIMARY KEY', strict ? 'id INT UNIQUE' : 'id']);
    const columns = [
      key,
      `a ${type(['INT', '', 'INTEGER', 'NUMERIC'])}${pick(['', '', ' UNIQUE', ' NOT NULL DEFAULT 7', ' DEFAULT 1'])}${reference()}`,
      `b ${type(['INT', '', 'REAL', 'BLOB'])}${pick(['', '', ' CHECK (b > 0)', ' DEFAULT (abs(-3))'])}${reference()}`,
      `c ${type(['TEXT', 'TEXT COLLATE NOCASE', '', 'TEXT COLLATE RTRIM'])}${pick(['', '', ' UNIQUE', " CHECK (c <> 'bad')"])}`,
      ...(percent(20) ? [`g ${strict ? 'ANY ' : ''}AS (${pick(expressions)})${pick(['', ' STORED'])}`] : []),
      ...(percent(15) ? [`CHECK (${pick(expressions)} IS NOT 5)`] : []),
      ...(percent(10) ? [`FOREIGN KEY (a, b) REFERENCES ${pick(names)} (a, b)`] : []),
    ];
    const options = [...(strict ? ['STRICT'] : []), ...(/PRIMARY KEY$/.test(key) && percent(15) ? ['WITHOUT ROWID'] : [])];
    made.push(`CREATE TABLE ${name} (${columns.join(', ')}) ${options.join(', ')}`);
  }
  const rows = () => `INSERT ${pick(['', 'OR IGNORE '])}INTO ${pick(names)} (id, a, b, c) VALUES (${1 + below(9)}, ${pick(values)}, ${pick(values)}, ${pick(values)})`;
  for (let count = 4 + below(12); count > 0; count -= 1) made.push(rows());
  made.push(...some([
    `CREATE INDEX i0 ON ${pick(names)} (${pick(expressions)})${pick(['', ' WHERE json_valid(c)'])}`,
    `CREATE UNIQUE INDEX i1 ON ${pick(names)} (${pick(['a', 'b', 'a, b', 'c COLLATE NOCASE', 'lower(c)'])})${pick(['', '', ' WHERE a > 0'])}`,
    `CREATE VIEW v0 AS SELECT id, ${pick(expressions)} AS x FROM ${pick(names)} WHERE ${pick(expressions)}`,
    `CREATE VIEW v1 AS SELECT * FROM ${pick(names)} JOIN ${pick(names)} USING (id)`,
    `CREATE TRIGGER r0 ${pick(['BEFORE', 'AFTER'])} ${pick(['INSERT', 'UPDATE', 'DELETE', 'UPDATE OF a'])} ON ${pick(names)} BEGIN UPDATE ${pick(names)} SET b = ${pick(expressions)} WHERE id = 1; END`,
    `CREATE TRIGGER r1 AFTER INSERT ON ${pick(names)} WHEN new.a > 1 BEGIN INSERT INTO ${pick(names)} (a, c) VALUES (new.b, new.c); DELETE FROM ${pick(names)} WHERE a = new.a; END`,
    `CREATE VIRTUAL TABLE f USING fts5(c, content='${pick(names)}', content_rowid='id')`,
    'CREATE VIRTUAL TABLE f USING fts5(c)',
  ], 35));
  for (let count = below(6); count > 0; count -= 1) made.push(rows());
  made.push(...some([
    `ALTER TABLE ${pick(names)} ADD COLUMN late ${pick(['', 'TEXT', 'INT'])} AS (${pick(expressions)})`,
    `ALTER TABLE ${pick(names)} ADD COLUMN d TEXT DEFAULT 'd'`,
    `ALTER TABLE ${pick(names)} ADD COLUMN r REFERENCES ${pick(names)} (${pick(['id', 'a', 'missing'])})`,
    `PRAGMA ignore_check_constraints = on; ${rows()}; PRAGMA ignore_check_constraints = off`,
    `PRAGMA defer_foreign_keys = on; DELETE FROM ${pick(names)} WHERE id < 3; PRAGMA defer_foreign_keys = off`,
    `PRAGMA defer_foreign_keys = on; DROP TABLE ${pick(names)}; PRAGMA defer_foreign_keys = off`,
    'DROP INDEX i1',
    `ALTER TABLE ${pick(names)} DROP COLUMN a`,
  ], 45));
  return made;
}

export function makeStatement({ pick, below, percent }) {
  const table = pick([...names, ...names, 'v0', 'f']);
  const where = () => pick([
    '', ` WHERE id = ${below(10)}`, ` WHERE id = ${below(10)}`, ` WHERE id IN (1, 2, 3)`, ` WHERE a > ${below(3)}`, ` WHERE ${pick(expressions)}`, ` WHERE ${pick(expressions)} = ${pick(values)}`, ` WHERE a = ${pick(values)} AND ${pick(expressions)} IS NOT NULL`,
    ` WHERE c LIKE ${long}`, ` WHERE id = 2 AND c LIKE ${long}`, ` WHERE a IN (SELECT b FROM ${pick(names)} WHERE ${pick(expressions)})`, ` WHERE EXISTS (SELECT 1 FROM ${pick(names)} x WHERE x.id = ${table}.id AND ${pick(expressions)})`, ` WHERE c IS NULL OR ${pick(expressions)} > 1`,
  ]);
  const row = () => `(${1 + below(30)}, ${pick([1, 2, 3, 4, 5, 'NULL', pick(values)])}, ${pick([1, 2, 3, 4, 5, pick(values)])}, ${pick(["'a'", "'{}'", `'n${below(99)}'`, pick(values)])})`;
  const conflict = pick(['', '', '', ' OR IGNORE', ' OR REPLACE', ' OR FAIL']);
  return pick([
    () => `INSERT${conflict} INTO ${table} (id, a, b, c) VALUES ${row()}${percent(30) ? `, ${row()}` : ''}${pick(['', '', ' RETURNING *', ' ON CONFLICT DO NOTHING', " ON CONFLICT DO UPDATE SET b = excluded.a, c = 'up'"])}`,
    () => `INSERT INTO ${table} (a, c) SELECT a, c FROM ${pick(names)}${where()}`,
    () => `UPDATE${conflict} ${table} SET ${pick(['a', 'b', 'c', 'id'])} = ${pick([...values, ...expressions])}${where()}`,
    () => `UPDATE ${table} SET c = 'set', b = 4${where()}`,
    () => `DELETE FROM ${table}${where()}`,
    () => `SELECT * FROM ${table}${where()} ORDER BY 1, 2, 3`,
    () => `SELECT count(*), max(${pick(expressions)}) FROM ${table}${where()}`,
    () => `SELECT id FROM ${table}${where()} ORDER BY 1`,
    () => pick([`CREATE TABLE gone (id INTEGER PRIMARY KEY, a, b, c)`, `CREATE UNIQUE INDEX n0 ON ${pick(names)} (a)`, `CREATE INDEX n1 ON ${pick(names)} (${pick(expressions)})`, `DROP TABLE ${pick(names)}`, `ALTER TABLE ${pick(names)} ADD COLUMN more AS (${pick(expressions)})`, `ALTER TABLE ${pick(names)} RENAME TO t9`, `DROP INDEX i0`, `ALTER TABLE ${pick(names)} DROP COLUMN b`, `CREATE VIRTUAL TABLE f2 USING fts5(c, content='${pick(names)}')`]),
    () => [`PRAGMA defer_foreign_keys = on`, `INSERT INTO ${pick(names)} (id, a, b, c) VALUES ${row()}`, `DELETE FROM ${pick(names)} WHERE id = ${below(6)}`],
  ])();
}
