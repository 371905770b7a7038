// Databases made from a seed: tables that reference each other in any direction, and whatever hangs on them.

const names = ['plain', 'a b', 'Group', "it's", 'sem;icolon', 'été', 'quo"te', '-- no comment'];
const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

/** A generator of numbers below `most`, always the same for a seed (mulberry32). */
function drawing(seed) {
  let state = seed;
  return (most) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % most;
  };
}

const values = [
  'NULL', '0', '-1', '9223372036854775807', '1.5', '9e999', '-9e999', '1e15', "''", "'it''s; -- /*'", "'☃ \u{1f600}'", "'a' || char(0) || 'b'", 'char(65279)', 'char(65533)', "'line' || char(10, 13)",
  // Values that look like names which agents may not use.
  "'pragma_once'", "'_dryrun_x'", "'_cf_KV'", "'OR ROLLBACK'", "'sqlite_master'",
  "CAST(x'ff41c3' AS TEXT)", "x''", "x'00ff'", "replace(hex(zeroblob(2000)), '00', 'é''')", "replace(hex(zeroblob(70000)), '00', 'é')", 'zeroblob(60000)',
];

/** `{ sql }`: the statements that make it, to be run as one. */
export function made(seed) {
  const draw = drawing(seed);
  const one = (list) => list[draw(list.length)];
  const count = 2 + draw(4);
  const tables = names.slice().sort(() => draw(3) - 1).slice(0, count).map((name) => ({ name, keyed: draw(3) === 0, rows: draw(9), columns: 1 + draw(3) }));
  const statements = ['PRAGMA defer_foreign_keys = ON'];
  for (const table of tables) {
    const strict = draw(4) === 0;
    table.references = Array.from({ length: draw(3) }, () => one(tables));
    const parts = [
      ...(table.keyed ? ['k TEXT COLLATE NOCASE', 'id INT'] : [`id INTEGER PRIMARY KEY${draw(2) ? ' AUTOINCREMENT' : ''}`]),
      ...Array.from({ length: table.columns }, (_, index) => `c${index} ${strict ? 'ANY' : one(['', 'TEXT', 'NUMERIC', 'BLOB'])}`),
      ...table.references.map((_, index) => `f${index} INT`),
      `made ${strict ? 'TEXT' : ''} AS (coalesce(c0, '') || '!') ${one(['STORED', 'VIRTUAL'])}`,
      ...(table.keyed ? ['PRIMARY KEY (k, id)'] : []),
      ...table.references.map(({ name }, index) => `FOREIGN KEY (f${index}) REFERENCES ${quoted(name)}(id) ${one(['', 'ON DELETE CASCADE', 'DEFERRABLE INITIALLY DEFERRED'])}`),
    ];
    const ending = [...(strict ? ['STRICT'] : []), ...(table.keyed && draw(2) ? ['WITHOUT ROWID'] : [])].join(', ');
    statements.push(`CREATE TABLE ${quoted(table.name)} (${parts.join(', ')}) ${ending}`);
    // A key that is no primary key can be referenced by a unique index only.
    if (table.keyed) statements.push(`CREATE UNIQUE INDEX ${quoted(`only ${table.name}`)} ON ${quoted(table.name)} (id)`);
  }
  for (const table of tables) {
    for (let id = 1; id <= table.rows; id += 1) {
      const references = table.references.map(({ rows }) => (rows === 0 || draw(3) === 0 ? 'NULL' : String(1 + draw(rows))));
      const cells = [...(table.keyed ? [`'k${draw(5)}'`] : []), String(id), ...Array.from({ length: table.columns }, () => one(values)), ...references];
      const columns = [...(table.keyed ? ['k'] : []), 'id', ...Array.from({ length: table.columns }, (_, index) => `c${index}`), ...references.map((_, index) => `f${index}`)];
      statements.push(`INSERT INTO ${quoted(table.name)} (${columns.join(', ')}) VALUES (${cells.join(', ')})`);
    }
  }
  const last = tables.at(-1).name;
  statements.push(
    'CREATE TABLE log (at INTEGER PRIMARY KEY AUTOINCREMENT, what)', "INSERT INTO log (what) VALUES ('kept'), ('gone')", "DELETE FROM log WHERE what = 'gone'",
    'CREATE TABLE loose (a)', 'INSERT INTO loose (rowid, a) VALUES (3, 1), (7, 2), (8, 3)',
    'CREATE VIEW upper AS SELECT * FROM lower', `CREATE VIEW lower AS SELECT c0 AS x FROM ${quoted(last)}`, `CREATE INDEX first_of ON ${quoted(last)} (c0) WHERE c0 IS NOT NULL`,
    `CREATE TRIGGER no_more BEFORE INSERT ON ${quoted(last)} BEGIN SELECT RAISE(ABORT, 'no; more'); END`,
    'CREATE TRIGGER noted AFTER INSERT ON loose BEGIN INSERT INTO log (what) VALUES (new.a); END',
    "CREATE TRIGGER instead INSTEAD OF INSERT ON upper BEGIN INSERT INTO log (what) VALUES (new.x); END",
  );
  return { sql: `${statements.join(';\n')};` };
}
