// A table of a million rows in a dry run: what a statement reaches comes row by row, and everything else is as live. The same statements, one
// after the other, live on one gateway and dry on another; what would need the whole table is refused, and never answered from a part.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertProblem, paths, reportOf } from './helpers.mjs';
import { startPair } from './live_equals_dry/pair.mjs';
import { assertNetChanges, keepRows, liveChanges } from './net_changes.mjs';
import { assertOnlyReads } from './rehearsal.mjs';

const tables = ['big', 'parents', 'children', 'keepers', 'log'];
// A million rows by a join of a thousand with themselves. 70,000 are in group -1, about 20 in each other one, no two of them with the same v.
const schema = `
  CREATE TABLE n (i INTEGER PRIMARY KEY);
  INSERT INTO n WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT i FROM n;
  CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT);
  INSERT INTO parents SELECT a.i * 1000 + b.i + 1, 'p' || (a.i * 1000 + b.i + 1) FROM n a, n b WHERE a.i < 2;
  CREATE TABLE big (id INTEGER PRIMARY KEY, email TEXT UNIQUE, grp INTEGER, parent INTEGER REFERENCES parents (id), v REAL);
  INSERT INTO big SELECT a.i * 1000 + b.i + 1, 'u' || (a.i * 1000 + b.i + 1) || '@x', CASE WHEN a.i < 70 THEN -1 ELSE b.i * 50 + a.i % 50 END, b.i + 1, (a.i * 7919 + b.i * 104729) % 1000003 / 8.0 FROM n a, n b;
  CREATE INDEX big_grp ON big (grp);
  CREATE TABLE children (id INTEGER PRIMARY KEY, big INTEGER NOT NULL REFERENCES big (id) ON DELETE CASCADE ON UPDATE CASCADE, note TEXT);
  INSERT INTO children SELECT a.i * 1000 + b.i + 1, 100000 + (a.i * 1000 + b.i) / 2 * 10, 'c' || b.i FROM n a, n b WHERE a.i < 5;
  CREATE INDEX children_big ON children (big);
  CREATE TABLE keepers (id INTEGER PRIMARY KEY, big INTEGER REFERENCES big (id) ON DELETE RESTRICT);
  INSERT INTO keepers SELECT a.i * 1000 + b.i + 1, 300000 + a.i * 1000 + b.i FROM n a, n b WHERE a.i < 2;
  CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);
  CREATE TRIGGER counted AFTER UPDATE OF grp ON big BEGIN
    INSERT INTO log (what) VALUES (old.grp || '>' || new.grp || ': ' || (SELECT count(*) FROM big WHERE grp = new.grp));
    UPDATE parents SET name = name || '!' WHERE id = new.parent; END;
  CREATE VIEW heavy AS SELECT id, email, grp, v FROM big WHERE v > 1000;
  CREATE VIEW totals AS SELECT grp, count(*) AS n, max(v) AS most FROM big GROUP BY grp;`;

// Every row counts: what is there, and which value stands where.
const fingerprint = `SELECT count(*) AS n, sum(id) AS ids, sum(id % 9973 * grp) AS grps, sum(id % 9973 * parent) AS parents, sum(id % 9973 * v) AS vs, sum(id % 9973 * CAST(substr(email, 2) AS INTEGER)) AS emails, sum(length(email)) AS lengths,
  (SELECT sum(id % 997 * big) + sum(length(note)) FROM children) AS children, (SELECT sum(id % 997 * big) FROM keepers) AS keepers, (SELECT sum(id * length(name)) FROM parents) AS names, (SELECT count(*) FROM log) AS log FROM big`;

let pair;
let untouched;

before(async () => {
  pair = await startPair(({ db }) => db.exec(schema));
  untouched = await pair.dry.gateway.db.all(fingerprint);
  await keepRows(pair.live.gateway.db, tables);
});
after(() => pair?.stop());

// An upsert that inserts nothing leaves `last_row_id` as the connection had it, which says nothing.
const one = (sql, params) => ({ name: sql, sql: [/DO UPDATE/.test(sql) ? '' : sql], path: paths.d1('raw'), json: { sql, ...(params ? { params } : {}) } });
const batch = (...statements) => ({ name: `batch ${statements.join('; ')}`, sql: statements, path: paths.d1('raw'), json: { batch: statements.map((sql) => ({ sql })) } });
// Fails in the end, so that the sides stay alike whatever became of the middle.
const undone = (...statements) => batch(...statements, "INSERT INTO big (email) VALUES ('u1@x')");
const onBase = () => pair.dry.gateway.recorder.requests.filter(({ store }) => store === 'DB');

/** Sends a request dry and live, and answers how often and with how many rows of tables the base was asked for it. */
async function asked(request) {
  pair.dry.gateway.recorder.clear();
  await pair.assertSame(request);
  assertOnlyReads(pair.dry.gateway, [pair.dry.agent.id]);
  const requests = onBase();
  const rows = requests.flatMap((each) => each.statements.map(({ sql }, index) => (sql.includes('sqlite_master') ? 0 : each.rows[index])));
  assert.ok(rows.every(Number.isInteger), 'every answer was counted');
  return { trips: requests.length, rows: rows.reduce((sum, count) => sum + count, 0) };
}

describe('what one row costs', () => {
  test('before anything is changed, a read of the whole table is one question to the base', async () => {
    const { trips, rows } = await asked(one('SELECT count(*) FROM big'));
    assert.deepEqual([trips, rows], [1, 1]);
  });

  test('an UPDATE by its key takes at most four round trips and fewer than ten rows', async () => {
    const { trips, rows } = await asked(one('UPDATE big SET v = 1 WHERE id = ?', [500_000]));
    assert.ok(trips >= 1 && trips <= 4, `${trips} round trips`);
    // Each row comes with a row of its storage classes, each table with its size.
    assert.ok(rows >= 2 && rows < 2 * 10, `${rows} rows`);
  });

  test('the same row again takes none', async () => {
    for (const request of [one('UPDATE big SET v = 2 WHERE id = ?', [500_000]), one('SELECT * FROM big WHERE id = 500000'), one('UPDATE big SET v = v + 0.5 WHERE id = 500000 RETURNING v')]) {
      assert.deepEqual(await asked(request), { trips: 0, rows: 0 }, request.name);
    }
  });

  test('another row takes one or two more, and as few rows', async () => {
    const { trips, rows } = await asked(one('UPDATE big SET v = 2 WHERE id = ?', [500_001]));
    assert.ok(trips >= 1 && trips <= 2, `${trips} round trips`);
    assert.ok(rows < 2 * 10, `${rows} rows`);
  });

  test('one that is not there takes a question once', async () => {
    const first = await asked(one('UPDATE big SET v = 2 WHERE id = -5'));
    assert.ok(first.trips <= 2 && first.rows < 10, JSON.stringify(first));
    assert.deepEqual(await asked(one('UPDATE big SET v = 2 WHERE id = -5')), { trips: 0, rows: 0 });
  });

  test('a group of twenty comes with its parents, and nothing else', async () => {
    const { rows } = await asked(one('SELECT id, email, v FROM big WHERE grp = ? ORDER BY v DESC LIMIT 20', [17_017]));
    assert.ok(rows > 0 && rows < 2 * 60, `${rows} rows`);
  });
});

const alike = {
  'a row that was not copied stands in the way as it does live': [
    one("INSERT INTO big VALUES (7, 'x', 1, 1, 1)"), one("INSERT INTO big (email) VALUES ('u77@x')"), one("INSERT INTO big (email) VALUES ('free1'), ('free2'), ('u900000@x'), ('free3')"),
    one("INSERT INTO big (id, email) VALUES (2000001, 'free4'), (2000002, 'free5'), (654321, 'free6')"), one("SELECT id FROM big WHERE email IN ('free1', 'free2', 'free4')"),
    one("UPDATE big SET email = 'u1@x' WHERE id = 2"), one('UPDATE big SET id = 1000000 WHERE id = 2'), one("UPDATE OR IGNORE big SET email = 'u1@x' WHERE id IN (2, 3)"),
    one("INSERT OR IGNORE INTO big (email) VALUES ('u5@x'), ('new-a'), ('u6@x')"), one("INSERT OR IGNORE INTO big (id, email) VALUES (8, 'new-b'), (9, 'new-c')"),
    one("INSERT INTO big (email, v) VALUES ('u123456@x', 5) ON CONFLICT DO NOTHING"), one("SELECT * FROM big WHERE id = 123456 OR email = 'new-a'"),
    one("UPDATE big SET email = 'u' || (id + 1) || '@x' WHERE id BETWEEN 800000 AND 800003"),
  ],
  'an upsert finds the row': [
    one("INSERT INTO big (email, grp, parent, v) VALUES ('u88@x', 1, 1, 1) ON CONFLICT (email) DO UPDATE SET v = -5, grp = excluded.grp"), one('SELECT * FROM big WHERE id = 88'),
    one("INSERT INTO big (id, email) VALUES (640000, 'changed@x') ON CONFLICT (id) DO UPDATE SET email = excluded.email, v = v + 1 RETURNING *"),
    one("INSERT INTO big (email, v) VALUES ('u640001@x', 3), ('unheard-of', 4), ('u640002@x', 5) ON CONFLICT (email) DO UPDATE SET v = excluded.v RETURNING id, v"),
    one("INSERT INTO big (email, v) VALUES ('u640003@x', 3) ON CONFLICT (email) DO UPDATE SET v = 9 WHERE big.v < 0"),
    one("INSERT OR REPLACE INTO big (id, email) VALUES (55, 'u66@x')"), one("SELECT * FROM big WHERE id IN (55, 66) OR email IN ('u55@x', 'u66@x')"),
    one("REPLACE INTO big (email, grp) VALUES ('u640010@x', 3), ('u640011@x', 4)"), one('SELECT count(*) FROM big WHERE id IN (640010, 640011)'),
    one("UPDATE OR REPLACE big SET email = 'u640020@x' WHERE id = 640021"), one('SELECT id, email FROM big WHERE id BETWEEN 640018 AND 640023'),
  ],
  'reads over rows that changed and rows that did not': [
    one('UPDATE big SET v = 999999.5 WHERE id = 800001'), one('UPDATE big SET v = -1 WHERE grp = 17017 AND v > 60000'), one('SELECT * FROM big WHERE grp = 17017 ORDER BY v DESC LIMIT 20'), one('SELECT count(*), sum(v), min(id), max(id) FROM big WHERE grp = 17017'),
    one('UPDATE big SET grp = 17017 WHERE id IN (70, 700000)'), one('SELECT id, v FROM big WHERE grp = 17017 ORDER BY v DESC, id LIMIT 5 OFFSET 3'), one('SELECT * FROM big WHERE id BETWEEN 799998 AND 800004 ORDER BY id DESC'),
    one('SELECT b.id, b.v, p.name FROM big b JOIN parents p ON p.id = b.parent WHERE b.grp IN (16017, 17017) ORDER BY b.id'), one('SELECT p.name, count(b.id) FROM parents p LEFT JOIN big b ON b.parent = p.id AND b.grp = 17017 WHERE p.id IN (340, 341, 342) GROUP BY p.id'),
    one('SELECT b.id, c.note FROM children c JOIN big b ON b.id = c.big WHERE c.id BETWEEN 10 AND 14 ORDER BY c.id'), one('SELECT id FROM big WHERE grp = (SELECT grp FROM big WHERE id = 700000) ORDER BY id'),
    one('SELECT id FROM big WHERE id IN (SELECT big FROM children WHERE id < 9) ORDER BY id'), one('SELECT id, (SELECT max(v) FROM big b WHERE b.grp = p.id) FROM parents p WHERE id IN (1, 2, 17) ORDER BY id'),
    one('SELECT p.id FROM parents p WHERE p.id < 4 AND EXISTS (SELECT 1 FROM big b WHERE b.grp = p.id AND b.v > 100) ORDER BY p.id'), one('SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM big WHERE id = 55 AND email IS NULL)'),
    one('SELECT * FROM heavy WHERE grp = 17017 ORDER BY id LIMIT 7'), one('SELECT * FROM totals WHERE grp = 17017'), one('WITH g AS (SELECT * FROM big WHERE grp = 17017), top AS (SELECT * FROM g ORDER BY v DESC LIMIT 3) SELECT id, v FROM top ORDER BY id'),
    one('WITH RECURSIVE up (id, depth) AS (SELECT 999, 0 UNION ALL SELECT b.parent / 2, depth + 1 FROM big b JOIN up ON b.id = up.id WHERE depth < 8) SELECT * FROM up'),
    one('SELECT id, rank() OVER (ORDER BY v) AS place FROM big WHERE grp = 17017 ORDER BY place, id LIMIT 4'), one('SELECT id FROM big WHERE grp = 17017 UNION SELECT id FROM big WHERE id < 3 EXCEPT SELECT 1 ORDER BY 1'),
    one("SELECT id FROM big WHERE email = 'u700000@x' OR email = 'changed@x' ORDER BY id"), one('SELECT id FROM big WHERE (id, grp) = (700000, 17017)'), one('SELECT CASE WHEN EXISTS (SELECT 1 FROM big WHERE id = 654321) THEN 1 ELSE 0 END'),
    one('SELECT value, email FROM json_each(?) LEFT JOIN big ON big.id = value', ['[2, 55, 66, 640000]']),
  ],
  'the first rows in an order, and the least and the greatest': [
    one('SELECT max(v) FROM big'), one('SELECT min(v) FROM big'), one('SELECT max(id) FROM big'), one('SELECT id, v FROM big ORDER BY v DESC LIMIT 5'), one('SELECT id, email FROM big ORDER BY id LIMIT 5'), one('SELECT * FROM big ORDER BY id DESC LIMIT 3'), one('SELECT email FROM big ORDER BY email LIMIT 4'),
    one('DELETE FROM big WHERE id = (SELECT id FROM big ORDER BY v DESC LIMIT 1)'), one('SELECT max(v) FROM big'), one('SELECT id, v FROM big ORDER BY v DESC LIMIT 5'), one('UPDATE big SET v = -7 WHERE id IN (530601, 780601)'), undone('UPDATE big SET v = -7 WHERE id IN (SELECT id FROM big WHERE grp = 30030 ORDER BY v LIMIT 2)'), one('SELECT id, v FROM big ORDER BY v, id LIMIT 12'),
    one('SELECT id, grp FROM big WHERE grp >= 0 ORDER BY grp, id LIMIT 6 OFFSET 30'), one('SELECT id FROM big WHERE grp > 49990 ORDER BY v LIMIT 3'), one('SELECT max(v) FROM big WHERE grp = 17017'), one("INSERT INTO big (email, v) VALUES ('heaviest', 200000)"), one('SELECT email FROM big ORDER BY v DESC LIMIT 2'),
    one('SELECT p.id, (SELECT max(id) FROM big b WHERE b.grp = p.id) FROM parents p WHERE p.id IN (3, 4, 17) ORDER BY p.id'), one("DELETE FROM big WHERE email = 'heaviest'"), one('SELECT max(v) FROM big'),
  ],
  'foreign keys look at rows that were not copied': [
    one("INSERT INTO big (email, parent) VALUES ('orphan', 99999)"), one('UPDATE big SET parent = 99999 WHERE id = 900001'), one('UPDATE big SET parent = 1999 WHERE id = 900001'), one('DELETE FROM parents WHERE id = 1999'), one('DELETE FROM parents WHERE id = 5'),
    one('DELETE FROM parents WHERE id = 1998 RETURNING name'), one("INSERT INTO big (email, parent) VALUES ('orphan', 1998)"), one('DELETE FROM big WHERE id = 100000'), one('SELECT count(*) FROM children WHERE big = 100000'),
    one('DELETE FROM big WHERE grp = 100010'), one('DELETE FROM big WHERE id BETWEEN 100010 AND 100040'), one('SELECT id, big FROM children WHERE id BETWEEN 1 AND 14 ORDER BY id'), one('UPDATE big SET id = 3000000 WHERE id = 100050'), one('SELECT * FROM children WHERE big = 3000000'),
    one('DELETE FROM big WHERE id = 300007'), one('DELETE FROM keepers WHERE big = 300007'), one('DELETE FROM big WHERE id = 300007'), one('INSERT INTO keepers (big) VALUES (300007)'), one('INSERT INTO keepers (big) VALUES (300006), (999999)'), one('DELETE FROM big WHERE id IN (999998, 999999)'),
    one("INSERT INTO children (big, note) VALUES (100000, 'gone')"), one("INSERT INTO children (big, note) VALUES (444444, 'here')"),
  ],
  'triggers, statements over several tables and batches': [
    one('UPDATE big SET grp = 42 WHERE id = 71234'), one('SELECT what FROM log ORDER BY id'), one('SELECT name FROM parents WHERE id = 234'), one('UPDATE big SET v = p.id FROM parents p WHERE p.id = big.parent AND big.grp = 42'), one('SELECT id, v FROM big WHERE grp = 42 ORDER BY id'),
    one("INSERT INTO big (email, grp) SELECT 'copy of ' || id, 43 FROM big WHERE grp = 42"), one("INSERT INTO log (what) SELECT email FROM big WHERE id IN (SELECT big FROM keepers WHERE id < 4)"), one('DELETE FROM big WHERE id IN (110000, 110010)'), undone('DELETE FROM big WHERE id IN (SELECT big FROM children WHERE id BETWEEN 2005 AND 2008)'), undone('DELETE FROM big WHERE id = (SELECT big FROM children WHERE id = 2009)'), undone('UPDATE big SET v = 0 WHERE id IN (SELECT id FROM big WHERE grp = 42)'), one('SELECT count(*) FROM children WHERE id BETWEEN 1999 AND 2006'),
    batch("INSERT INTO big (email) VALUES ('in a batch')", 'SELECT last_insert_rowid()', "UPDATE big SET v = 77 WHERE email = 'in a batch'", 'UPDATE big SET grp = 44 WHERE grp = 45', 'SELECT changes()', 'SELECT count(*) FROM big WHERE grp = 44'),
    undone("INSERT INTO big (email) VALUES ('the last one')", 'UPDATE big SET v = 77 WHERE id = last_insert_rowid()', 'SELECT email, v FROM big WHERE id = last_insert_rowid()'),
    batch('UPDATE big SET v = 123 WHERE id = 720000', "INSERT INTO big (email) VALUES ('u720001@x')"), one('SELECT v FROM big WHERE id = 720000'), batch('DELETE FROM big WHERE id = 720002', "INSERT INTO big (id, email) VALUES (720002, 'u720002@x')", 'SELECT * FROM big WHERE id = 720002'),
  ],
  'keys that SQLite gives follow the highest one': [
    one("INSERT INTO big (email) VALUES ('after the top') RETURNING id"), one('DELETE FROM big WHERE id >= 1000000'), one("INSERT INTO big (email) VALUES ('the new top') RETURNING id"), one('DELETE FROM big WHERE id > 999990'),
    one("INSERT INTO big (email) VALUES ('lower') RETURNING id"), one("INSERT INTO big (email) VALUES ('u999995@x')"), one("INSERT INTO log (what) VALUES ('x') RETURNING id"), one("INSERT INTO big (id, email) VALUES (9223372036854775806, 'far'), (NULL, 'farthest') RETURNING CAST(id AS TEXT)"),
    one("DELETE FROM big WHERE email IN ('far', 'farthest')"), one("INSERT INTO children (big, note) VALUES (1, 'last') RETURNING id"),
  ],
};

for (const [group, requests] of Object.entries(alike)) {
  describe(group, () => {
    for (const request of requests) {
      test(request.name, async () => {
        const { rows } = await asked(request);
        assert.ok(rows < 5_000, `${rows} rows were asked of the base`);
      });
    }
  });
}

describe('what would need more than a run may copy', () => {
  const refused = {
    'SELECT count(*) FROM big': 1_000_000, 'SELECT avg(v), max(v) FROM big': 1_000_000, 'SELECT count(*) FROM totals': 1_000_000, 'SELECT grp, count(*) FROM big GROUP BY grp LIMIT 1': 1_000_000,
    'UPDATE big SET v = 0': 1_000_000, 'DELETE FROM big': 1_000_000, 'DELETE FROM big WHERE grp = -1': 70_000, 'SELECT sum(v) FROM big WHERE grp = -1': 70_000, "INSERT INTO log (what) SELECT email FROM big WHERE id <= 60000": 60_000, 'UPDATE big SET v = 1 WHERE id > 400000': 600_000,
    'CREATE UNIQUE INDEX one_v ON big (v)': 1_000_000, 'ALTER TABLE big DROP COLUMN v': 1_000_000, 'DROP TABLE big': 1_000_000,
  };
  for (const [sql, count] of Object.entries(refused)) {
    test(`is refused with the number, and nothing is done: ${sql}`, async () => {
      const { agent, gateway } = pair.dry;
      gateway.recorder.clear();
      const answer = await agent.query(sql);
      assertProblem(answer, 422, 'shadow_budget_exceeded', { about: sql });
      assert.match(answer.json.detail, /\bbig\b/);
      assert.ok(answer.json.detail.replaceAll(',', '').includes(` ${count} `), answer.json.detail);
      assert.match(answer.json.remedy, /WHERE.*SHADOW_MAX_ROWS/);
      assertOnlyReads(gateway, [agent.id]);
      // In a batch, nothing of the others is done either.
      assertProblem(await agent.batch([{ sql: "INSERT INTO log (what) VALUES ('with what is refused')" }, { sql }]), 422, 'shadow_budget_exceeded');
      const after = await agent.query("SELECT (SELECT count(*) FROM log WHERE what LIKE 'with%') AS n, (SELECT v FROM big WHERE id = 720000) AS v, (SELECT count(*) FROM big WHERE grp = 44) AS g");
      assert.deepEqual(after.json.result[0].results, await pair.live.gateway.db.all('SELECT 0 AS n, (SELECT v FROM big WHERE id = 720000) AS v, (SELECT count(*) FROM big WHERE grp = 44) AS g'));
    });
  }

  test('an unindexed condition that few rows meet is answered exactly', async () => {
    await pair.assertSame(one("SELECT id FROM big WHERE email LIKE 'u77777_@x' ORDER BY id"));
    await pair.assertSame(one('SELECT id, email FROM big WHERE v = 999999.5 OR v < 0 ORDER BY id'));
  });

  test('the run goes on after it', async () => {
    await pair.assertSame(one('UPDATE big SET v = 3 WHERE id = 710000'));
    await pair.assertSame(one('SELECT id, v FROM big WHERE id IN (709999, 710000)'));
  });
});

describe('in the end', () => {
  test('the report says of each table what became of it live, row for row and field for field', async () => {
    const report = await reportOf(pair.dry.gateway, pair.dry.agent.id);
    await assertNetChanges(report, pair.live.gateway.db, tables);
    assert.equal(report.changes.length, tables.length);
    assert.deepEqual(report.coverage.inexact, {});
    assert.deepEqual(Object.keys(report.coverage.refused), ['shadow_budget_exceeded']);
  });

  test('every row that the live run changed reads the same in the dry run', async () => {
    for (const table of tables) {
      const ids = Object.entries(await liveChanges(pair.live.gateway.db, table)).filter(([, [change]]) => change !== 'deleted').map(([id]) => Number(id));
      const rows = await pair.live.gateway.db.all(`SELECT * FROM ${table} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id`, [JSON.stringify(ids)]);
      const dry = await pair.dry.agent.query(`SELECT * FROM ${table} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id`, [JSON.stringify(ids)]);
      assert.equal(rows.length, ids.length);
      assert.deepEqual(dry.json.result?.[0].results, rows, `${table} ${dry.text.slice(0, 300)}`);
    }
  });

  test('in the target every row is as it was', async () => {
    assert.deepEqual(await pair.dry.gateway.db.all(fingerprint), untouched);
    assert.notDeepEqual(await pair.live.gateway.db.all(fingerprint), untouched);
    assert.doesNotMatch(pair.dry.gateway.logs(), /panicked|RuntimeError|unreachable/);
  });
});
