// What must not get from one place to another: between runs, between databases, from one request to the next on the same connection, from the
// gateway's own tables to an agent, and from an agent's words into what the gateway tells itself.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, paths, reportOf } from './helpers.mjs';
import { startPair } from './live_equals_dry/pair.mjs';
import { assertOnlyReads } from './rehearsal.mjs';

const many = (count, into) => `INSERT INTO ${into} WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${count}) SELECT`;
const one = (sql, params) => ({ name: sql, sql: [sql], path: paths.d1('raw'), json: { sql, ...(params ? { params } : {}) } });
const batch = (...statements) => ({ name: `batch ${statements.join('; ')}`, sql: statements, path: paths.d1('raw'), json: { batch: statements.map((sql) => ({ sql })) } });
const parts = { SHADOW_WHOLE_ROWS: '20' };

describe('runs and databases', () => {
  const schema = (name) => `CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE, n INTEGER); ${many(200, 'notes')} i, '${name} ' || i, i % 10 FROM n;
    CREATE TABLE few (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO few VALUES (1, '${name}');`;
  let gateway;
  let digest;
  before(async () => {
    gateway = await startGateway({ vars: { ...parts, FLAG_BUDGET_MS: '10000' }, databases: ['OTHER'] });
    await gateway.db.exec(`${schema('db')} CREATE TABLE only_here (id INTEGER PRIMARY KEY); CREATE VIRTUAL TABLE words USING fts5(w); INSERT INTO words VALUES ('alpha');`);
    await gateway.other.exec(schema('other'));
    digest = await gateway.digest();
  });
  after(() => gateway.stop());

  const runIn = async (terms) => {
    const { id, token } = await openRun(gateway, terms);
    const ask = (store, json) => gateway.api(paths.d1('query', store), { token, json });
    const rows = async (store, sql) => {
      const { status, json, text } = await ask(store, { sql });
      assert.equal(status, 200, `${sql} ${text}`);
      return json.result[0].results;
    };
    return { id, token, ask, rows };
  };

  test('two runs see nothing of each other, in any order', async () => {
    const [first, second] = [await runIn(), await runIn()];
    await first.rows('DB', "UPDATE notes SET text = 'first' WHERE id = 7");
    assert.deepEqual(await second.rows('DB', 'SELECT text FROM notes WHERE id = 7'), [{ text: 'db 7' }]);
    await second.rows('DB', "UPDATE notes SET text = 'second' WHERE id = 7");
    await first.rows('DB', 'DELETE FROM notes WHERE id = 8');
    await first.rows('DB', 'CREATE TABLE mine (a)');
    await first.rows('DB', "INSERT INTO words VALUES ('beta')");
    assert.deepEqual(await first.rows('DB', 'SELECT id, text FROM notes WHERE id IN (7, 8)'), [{ id: 7, text: 'first' }]);
    assert.deepEqual(await second.rows('DB', 'SELECT id, text FROM notes WHERE id IN (7, 8)'), [{ id: 7, text: 'second' }, { id: 8, text: 'db 8' }]);
    assert.deepEqual(await second.rows('DB', "SELECT count(*) AS n FROM words WHERE words MATCH 'beta'"), [{ n: 0 }]);
    assertProblem(await second.ask('DB', { sql: 'SELECT * FROM mine' }), 400, 'sql_error', { remedy: false });
    // The same key is free in one run and taken in the other.
    await first.rows('DB', "INSERT INTO notes (id, text) VALUES (8, 'again')");
    assertProblem(await second.ask('DB', { sql: "INSERT INTO notes (id, text) VALUES (8, 'again')" }), 400, 'sql_error', { remedy: false });
    assert.deepEqual([(await reportOf(gateway, second.id)).changes.map(({ subject }) => subject)], [['notes']]);
  });

  test('a run above another has a shadow of its own', async () => {
    const parent = await runIn();
    await parent.rows('DB', "UPDATE notes SET text = 'parent' WHERE id = 9");
    const { token } = await openRun(gateway, { token: parent.token });
    assert.deepEqual((await agentOf(gateway, token).sql('SELECT text FROM notes WHERE id = 9')).json.result[0].results, [{ text: 'db 9' }]);
  });

  test('two databases with the same names see nothing of each other', async () => {
    const run = await runIn();
    await run.rows('DB', "UPDATE notes SET text = 'changed in db' WHERE id = 5");
    await run.rows('OTHER', "UPDATE notes SET text = 'changed in other' WHERE id = 6");
    await run.rows('DB', "INSERT INTO few VALUES (2, 'x')");
    assert.deepEqual(await run.rows('DB', 'SELECT text FROM notes WHERE id IN (5, 6) ORDER BY id'), [{ text: 'changed in db' }, { text: 'db 6' }]);
    assert.deepEqual(await run.rows('OTHER', 'SELECT text FROM notes WHERE id IN (5, 6) ORDER BY id'), [{ text: 'other 5' }, { text: 'changed in other' }]);
    assert.deepEqual(await run.rows('OTHER', 'SELECT * FROM few'), [{ id: 1, text: 'other' }]);
    // What one knows of its rows says nothing of the other's: both keys are taken there, by rows that were not copied.
    assertProblem(await run.ask('OTHER', { sql: "INSERT INTO notes (text) VALUES ('other 150')" }), 400, 'sql_error', { remedy: false });
    await run.rows('DB', "INSERT INTO notes (text) VALUES ('other 150')");
    for (const sql of ['SELECT * FROM only_here', 'SELECT * FROM DB.notes', 'INSERT INTO only_here VALUES (1)']) {
      const answer = await run.ask('OTHER', { sql });
      assert.ok(answer.status >= 400 && answer.status < 500, answer.text);
    }
    const { changes } = await reportOf(gateway, run.id);
    assert.deepEqual(changes.map(({ store, subject, items }) => [store, subject, items.map(({ key, change }) => `${change} ${key}`)]), [
      ['DB', 'notes', ['updated 5', 'inserted 201']], ['DB', 'few', ['inserted 2']], ['OTHER', 'notes', ['updated 6']],
    ]);
  });

  test('a live run next to a dry one writes, and the dry one keeps to what it has seen', async () => {
    const dry = await runIn();
    await dry.rows('DB', 'UPDATE notes SET n = 77 WHERE id = 20');
    const live = await runIn({ mode: 'live' });
    await live.rows('DB', "UPDATE notes SET text = 'live ' || id WHERE id IN (20, 21)");
    assert.deepEqual(await dry.rows('DB', 'SELECT text, n FROM notes WHERE id = 20'), [{ text: 'db 20', n: 77 }]);
    assert.deepEqual(await live.rows('DB', 'SELECT text, n FROM notes WHERE id = 20'), [{ text: 'live 20', n: 0 }]);
    await live.rows('DB', "UPDATE notes SET text = 'db ' || id WHERE id IN (20, 21)");
  });

  test('in the end both databases are as they were', async () => assert.equal(await gateway.digest(), digest));
});

describe('what a connection remembers', () => {
  const schema = `CREATE TABLE parents (id INTEGER PRIMARY KEY); ${many(100, 'parents')} i FROM n;
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents (id), later INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED); ${many(100, 'children')} i, i, i FROM n;
    CREATE TABLE tree (id INTEGER PRIMARY KEY, depth INTEGER); CREATE TRIGGER grows AFTER INSERT ON tree WHEN new.depth < 3 BEGIN INSERT INTO tree (depth) VALUES (new.depth + 1); END;
    CREATE TABLE swapped (id INTEGER PRIMARY KEY, u TEXT UNIQUE); CREATE TABLE log (id INTEGER PRIMARY KEY, what); ${many(50, 'swapped')} i, 'u' || i FROM n; CREATE TRIGGER gone AFTER DELETE ON swapped BEGIN INSERT INTO log (what) VALUES (old.id); END;
    CREATE TABLE ping (id INTEGER PRIMARY KEY, n); CREATE TABLE pong (id INTEGER PRIMARY KEY, n); CREATE TRIGGER ping_pong AFTER INSERT ON ping WHEN new.n < 5 BEGIN INSERT INTO pong (n) VALUES (new.n + 1); END;
    CREATE TRIGGER pong_ping AFTER INSERT ON pong WHEN new.n < 5 BEGIN INSERT INTO ping (n) VALUES (new.n + 1); END;`;
  let pair;
  before(async () => (pair = await startPair(({ db }) => db.exec(schema), parts)));
  after(() => pair?.stop());

  const on = 'PRAGMA defer_foreign_keys = on';
  const orphan = 'INSERT INTO children (parent) VALUES (999)';
  const lasting = [
    // Alone, it ends with its own transaction.
    [one(on), one(orphan)],
    [batch(on, 'INSERT INTO children (id, parent) VALUES (500, 501)', 'INSERT INTO parents VALUES (501)'), one(orphan), one('SELECT * FROM children WHERE id > 100')],
    // The batch fails while the check is put off.
    [batch(on, orphan, 'SELECT * FROM nowhere'), one(orphan), batch(orphan, 'INSERT INTO parents VALUES (999)')],
    [batch(on, orphan, "INSERT INTO parents VALUES (1)"), one(orphan), one('DELETE FROM parents WHERE id = 3')],
    [batch(on, 'PRAGMA defer_foreign_keys = off', orphan), one(orphan)],
    [batch(on, 'UPDATE parents SET id = 700 WHERE id = 4', 'UPDATE children SET parent = 700, later = 700 WHERE parent = 4'), one('UPDATE parents SET id = 701 WHERE id = 5'), one('SELECT * FROM children WHERE id IN (4, 5)')],
    [{ ...batch(on, orphan), refusedAnyhow: true }, one(orphan), one('SELECT count(*) FROM children')],
    [{ ...one('INSERT INTO children (later) VALUES (998)'), refusedAnyhow: true }, one('INSERT INTO children (later) VALUES (7) RETURNING id'), batch('INSERT INTO children (later) VALUES (997)', 'INSERT INTO parents VALUES (997)')],
    [batch('DELETE FROM parents WHERE id = 500000', 'SELECT changes() AS n'), batch('SELECT * FROM nowhere'), batch("INSERT INTO log (what) VALUES ('a')", 'SELECT changes() AS n')],
  ];
  for (const requests of lasting) {
    test(requests.map(({ name }) => name).join(' · '), async () => {
      for (const request of requests) await pair.assertSame(request);
    });
  }

  test('a trigger meets itself as often as it does live, and no oftener in a later request', async () => {
    for (const sql of ['INSERT INTO tree (depth) VALUES (0)', 'SELECT * FROM tree ORDER BY id', 'INSERT INTO ping (n) VALUES (0)', 'SELECT * FROM ping ORDER BY id', 'SELECT * FROM pong ORDER BY id',
      "REPLACE INTO swapped VALUES (1, 'u2')", 'SELECT * FROM log ORDER BY id', 'SELECT count(*) FROM swapped', "UPDATE OR REPLACE swapped SET u = 'u4' WHERE id = 5", 'DELETE FROM swapped WHERE id = 6', 'SELECT * FROM log ORDER BY id', 'INSERT INTO tree (depth) VALUES (2)']) await pair.assertSame(one(sql));
  });

  test('a statement that fails half way leaves what it leaves live', async () => {
    for (const sql of ["INSERT OR FAIL INTO swapped VALUES (100, 'new'), (101, 'u40'), (102, 'never')", 'SELECT * FROM swapped WHERE id > 99', "INSERT INTO swapped VALUES (103, 'newer'), (104, 'u41')", "UPDATE OR FAIL swapped SET u = 'same' WHERE id IN (30, 31)", 'SELECT * FROM swapped WHERE id IN (30, 31, 103)', "INSERT OR IGNORE INTO swapped VALUES (105, 'u42'), (106, 'fresh')", 'SELECT max(id) FROM swapped']) await pair.assertSame(one(sql));
  });
});

describe('the gateway’s own tables', () => {
  const names = ['_dryrun_state', '_dryrun_needs', '_dryrun_covered', '_dryrun_known', '_dryrun_floor', '_dryrun_frames', '_dryrun_values', '_dryrun_touched'];
  const schema = `CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER CONSTRAINT small CHECK (n < 1000), gone); ${many(300, 'big')} i, 'name ' || i, i, i FROM n; CREATE INDEX big_n ON big (n);
    CREATE TABLE kids (id INTEGER PRIMARY KEY AUTOINCREMENT, big INTEGER REFERENCES big (id) ON DELETE CASCADE); ${many(100, 'kids (big)')} i FROM n;
    CREATE TABLE log (what); CREATE TRIGGER noted AFTER UPDATE ON big BEGIN INSERT INTO log VALUES (new.name); END; CREATE VIEW named AS SELECT id, name FROM big; CREATE TRIGGER renamed INSTEAD OF UPDATE ON named BEGIN UPDATE big SET name = new.name WHERE id = old.id; END;`;
  let pair;
  before(async () => {
    pair = await startPair(({ db }) => db.exec(schema), parts);
    // Parts of both tables are here, so that there is something to see.
    for (const sql of ['UPDATE big SET n = n + 1 WHERE id = 7', 'DELETE FROM big WHERE id = 8', "INSERT INTO big (name) VALUES ('new')", "UPDATE named SET name = 'n' WHERE id = 9"]) await pair.assertSame(one(sql));
  });
  after(() => pair?.stop());

  const forms = (name) => [`SELECT * FROM ${name}`, `SELECT * FROM "${name}"`, `SELECT * FROM main.[${name}]`, `SELECT * FROM '${name.toUpperCase()}'`, `DELETE FROM ${name}`, `UPDATE ${name} SET mode = 3`, `INSERT INTO ${name} DEFAULT VALUES`, `DROP TABLE ${name}`, `CREATE VIEW v AS SELECT * FROM ${name}`,
    `CREATE TRIGGER t AFTER INSERT ON log BEGIN UPDATE ${name} SET mode = 3; END`, `ALTER TABLE ${name} RENAME TO x`, `SELECT (SELECT count(*) FROM ${name}) FROM big WHERE id = 7`, `WITH x AS (SELECT * FROM ${name}) SELECT * FROM x`, `PRAGMA table_info(${name})`, `SELECT * FROM pragma_table_info('${name}')`, `CREATE TABLE ${name} (a)`, `CREATE TABLE x (a REFERENCES ${name})`];
  for (const name of names) {
    test(`${name} cannot be named`, async () => {
      const { agent, gateway } = pair.dry;
      for (const sql of forms(name)) {
        gateway.recorder.clear();
        assertProblem(await agent.query(sql), 403, 'reserved_name', { about: sql });
        assertProblem(await agent.batch([{ sql: "INSERT INTO log VALUES ('x')" }, { sql }]), 403, 'reserved_name', { about: sql });
        assert.deepEqual(gateway.recorder.requests.filter(({ store }) => store === 'DB'), [], sql);
      }
      await pair.assertSame(one('SELECT * FROM log'));
    });
  }

  const looks = [
    'SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE \'\\_cf%\' ESCAPE \'\\\' ORDER BY type, name', "SELECT count(*) AS n FROM sqlite_master WHERE type = 'trigger'", "SELECT name, ncol, wr, strict FROM pragma_table_list WHERE name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name", "SELECT m.name, i.name FROM sqlite_master m, pragma_index_list(m.name) i WHERE m.name IN ('big', 'kids') ORDER BY 1, 2",
    'PRAGMA index_list(big)', 'PRAGMA foreign_key_list(kids)', 'PRAGMA table_xinfo(big)', 'PRAGMA foreign_key_check', 'SELECT * FROM sqlite_sequence', 'SELECT * FROM big, nowhere', 'SELECT dryrun FROM big', 'SELECT mode FROM big WHERE id = 7', 'SELECT what FROM big', 'INSERT INTO big (what) VALUES (1)', 'UPDATE big SET mode = 1', 'DROP TRIGGER needs_0', 'DROP INDEX nowhere',
    'SELECT rowid, mode FROM named', "UPDATE big SET name = 'name 10' WHERE id = 11", 'INSERT INTO kids (big) VALUES (5000)', 'UPDATE big SET n = 5000 WHERE id = 12', "INSERT INTO big (id, name) VALUES ('x', 'y')", 'INSERT INTO named VALUES (1, 2)', 'DELETE FROM named',
    'EXPLAIN QUERY PLAN SELECT * FROM big WHERE n = 1',
  ];
  for (const sql of looks) test(`are not seen by: ${sql.slice(0, 110)}`, () => pair.assertSame(one(sql)));

  test('stand in no program that EXPLAIN shows', async () => {
    for (const sql of ['EXPLAIN SELECT * FROM big', 'EXPLAIN SELECT * FROM named WHERE id = 7', 'EXPLAIN SELECT count(*) FROM kids JOIN big ON big.id = kids.big', 'EXPLAIN QUERY PLAN SELECT * FROM kids, big']) {
      const { status, text } = await pair.dry.agent.query(sql);
      assert.ok(status === 200 || (status >= 400 && status < 500), text);
      assert.doesNotMatch(text.replace(/names that begin with [^;"]*/g, ''), /_dryrun_/, sql);
    }
  });

  // The text of these errors lists or quotes what stands in the schema; a definition of the gateway must not be among it.
  const altered = [
    'ALTER TABLE big RENAME COLUMN gone TO went', 'ALTER TABLE big RENAME COLUMN name TO n', 'ALTER TABLE big DROP COLUMN n', 'ALTER TABLE big DROP COLUMN name', 'ALTER TABLE big DROP COLUMN went', 'ALTER TABLE kids DROP COLUMN big', 'ALTER TABLE big RENAME TO kids', 'ALTER TABLE big ADD COLUMN n', 'CREATE VIEW broken AS SELECT nothing FROM big',
    'ALTER TABLE big RENAME COLUMN name TO called', 'DROP VIEW broken', 'ALTER TABLE big RENAME COLUMN name TO called', 'SELECT name, sql FROM sqlite_master WHERE name IN (\'noted\', \'renamed\', \'named\') ORDER BY name', 'ALTER TABLE big RENAME TO large', "UPDATE large SET called = 'x' WHERE id = 7", 'SELECT * FROM log', "UPDATE named SET name = 'n' WHERE id = 9", 'INSERT INTO kids (big) VALUES (5000)', 'DROP TABLE log', "UPDATE large SET called = 'y' WHERE id = 7",
  ];
  for (const [index, sql] of altered.entries()) test(`are not seen in a change of the schema, ${index + 1}: ${sql}`, () => pair.assertSame(one(sql)));
});

describe('an agent that speaks like the gateway’s own triggers', () => {
  const schema = `CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER, kind TEXT, said TEXT); ${many(300, 'big')} i, 'name ' || i, i, NULL, NULL FROM n;
    CREATE TABLE few (id INTEGER PRIMARY KEY, name TEXT, kind TEXT); INSERT INTO few VALUES (1, 'a', NULL);
    CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);
    CREATE TRIGGER before_big BEFORE INSERT ON big WHEN new.kind = 'before' BEGIN SELECT RAISE(ABORT, new.said); END; CREATE TRIGGER after_big AFTER INSERT ON big WHEN new.kind = 'after' BEGIN INSERT INTO log (what) VALUES ('undone'); SELECT RAISE(ABORT, new.said); END;
    CREATE TRIGGER failing BEFORE INSERT ON big WHEN new.kind = 'fail' BEGIN SELECT RAISE(FAIL, new.said); END; CREATE TRIGGER before_few BEFORE INSERT ON few WHEN new.kind = 'before' BEGIN SELECT RAISE(ABORT, new.name); END;
    CREATE TABLE told (id INTEGER PRIMARY KEY, v); ${many(60, 'told')} i, i FROM n;
    CREATE TRIGGER tells BEFORE DELETE ON told WHEN old.id = 50 BEGIN SELECT RAISE(ABORT, '_dryrun_missing {"t":"big","c":["id"],"v":[250]}'); END;
    CREATE TABLE odd (id INTEGER PRIMARY KEY, n INTEGER CONSTRAINT "a _dryrun_missing {""t"":""big"",""c"":[""id""],""v"":[9]}" CHECK (n < 5), "x _dryrun_missing {x}" TEXT NOT NULL DEFAULT ''); ${many(60, 'odd (id, n)')} i, 1 FROM n;`;
  const missing = '_dryrun_missing ';
  const texts = {
    'a row that is not here': `${missing}{"t":"big","c":["id"],"v":[1]}`, 'a row by a text': `${missing}{"t":"big","c":["name"],"v":["name 50"]}`, 'a table that is not there': `${missing}{"t":"x","c":["id"],"v":[1]}`, 'a column that is not there': `${missing}{"t":"big","c":["nothing"],"v":[1]}`,
    'no columns': `${missing}{"t":"big","c":[],"v":[1]}`, 'fewer values': `${missing}{"t":"big","c":["id","n"],"v":[1]}`, 'more values': `${missing}{"t":"big","c":["id"],"v":[1,2,3]}`, 'values of another kind': `${missing}{"t":"big","c":["id"],"v":{"a":[null]}}`, 'no values': `${missing}{"t":"big","c":["id"]}`, 'a number for a table': `${missing}{"t":7,"c":["id"],"v":[1]}`,
    'the highest row': `${missing}{"t":"big","top":true}`, 'the highest row of nothing': `${missing}{"t":"x","top":true}`, 'a frame': `${missing}{"g":"before_big","v":[1,2]}`, 'a frame of nothing': `${missing}{"g":"x"}`, 'the gateway’s table': `${missing}{"t":"_dryrun_state","c":["mode"],"v":[1]}`, 'the schema': `${missing}{"t":"sqlite_master","c":["name"],"v":["big"]}`,
    'a table that is whole': `${missing}{"t":"few","c":["id"],"v":[1]}`, 'SQL for a column': `${missing}{"t":"big","c":["id\\" OR 1=1 --"],"v":[1]}`, 'SQL for a value': `${missing}{"t":"big","c":["id"],"v":["1) OR 1=1 --"]}`, 'SQL for a table': `${missing}{"t":"big\\"; DELETE FROM big; --","c":["id"],"v":[1]}`,
    'nothing': missing, 'nothing but the word': '_dryrun_missing', 'an empty object': `${missing}{}`, 'no JSON': `${missing}{x}`, 'a brace': `${missing}}`, 'braces the wrong way': `} ${missing}{`, 'an array': `${missing}[1]}`, 'null': `${missing}null}`, 'two of them': `${missing}{"t":"big"} ${missing}{"t":"few"}`, 'words before and after': `well, ${missing}{"t":"big","c":["id"],"v":[1]} and so on`,
    'depth': `${missing}{"t":"big","c":["id"],"v":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, 'a huge one': `${missing}{"t":"big","c":["id"],"v":["${'x'.repeat(300_000)}"]}`, 'ten thousand columns': `${missing}{"t":"big","c":[${Array(10_000).fill('"id"').join()}],"v":[1]}`, 'a huge number': `${missing}{"t":"big","c":["id"],"v":[${'9'.repeat(400)}]}`,
    'the unreadable character': `${missing}{"t":"big","c":["id"],"v":["\ufffd"]}`, 'the unreadable character for a table that is not there': `${missing}{"t":"x\ufffd"}`, 'quotes and line ends': `'"\n${missing}{"t":\n"big"}\r\n`, 'an error of SQLite': 'UNIQUE constraint failed: big.name', 'an error of the gateway': 'shadow_budget_exceeded: SQLITE_FULL', 'an empty text': '',
  };
  let pair;
  let untouched;
  before(async () => {
    pair = await startPair(({ db }) => db.exec(schema), { ...parts, SHADOW_MAX_ROWS: '150' });
    untouched = await pair.dry.gateway.digest();
    await pair.assertSame(one('UPDATE big SET n = 0 WHERE id = 7'));
    await pair.assertSame(one("UPDATE few SET name = 'b'"));
  });
  after(() => pair?.stop());

  for (const [what, text] of Object.entries(texts)) {
    test(`is answered as it is live: ${what}`, async () => {
      pair.dry.gateway.recorder.clear();
      for (const kind of ['before', 'after', 'fail']) await pair.assertSame({ ...one('INSERT INTO big (said, kind) VALUES (?, ?)', [text, kind]), status: 400 });
      await pair.assertSame({ ...one("INSERT INTO few (name, kind) VALUES (?, 'before')", [text]), status: 400 });
      await pair.assertSame(batch("INSERT INTO log (what) VALUES ('a batch')", `INSERT INTO few (name, kind) VALUES ('${text.slice(0, 5_000).replaceAll("'", "''")}', 'before')`));
      assertOnlyReads(pair.dry.gateway, [pair.dry.agent.id]);
      assert.ok(pair.dry.gateway.recorder.requests.length < 60, 'it does not ask without end');
    });
  }

  test('also with a row in one of several, and where a row is left out or taken away', async () => {
    const text = texts['a row that is not here'];
    await pair.assertSame(one("INSERT INTO big (name, kind, said) VALUES ('one', NULL, NULL), ('two', 'before', ?), ('three', NULL, NULL)", [text]));
    await pair.assertSame(one("INSERT OR IGNORE INTO big (name, kind, said) VALUES ('one', NULL, NULL), ('two', 'fail', ?), ('three', NULL, NULL)", [text]));
    await pair.assertSame(one('SELECT * FROM big WHERE id > 300'));
    await pair.assertSame(one('DELETE FROM big WHERE id IN (249, 250, 251)'));
  });

  test('in a trigger of the base: as live, or refused with the reason', async () => {
    const answer = await pair.dry.agent.query('DELETE FROM told WHERE id IN (49, 50)');
    if (answer.status === 422) assertProblem(answer, 422, 'not_rehearsable');
    else await pair.assertSame(one('DELETE FROM told WHERE id IN (49, 50)'));
    assert.deepEqual((await pair.dry.agent.query('SELECT count(*) AS n FROM told')).json.result[0].results, [{ n: 60 }]);
  });

  test('also in the name of a constraint or a column', async () => {
    for (const sql of ['INSERT INTO odd (n) VALUES (9)', 'UPDATE odd SET n = 9 WHERE id = 3', 'UPDATE odd SET "x _dryrun_missing {x}" = NULL WHERE id = 3', 'INSERT INTO odd (n, "x _dryrun_missing {x}") VALUES (1, NULL)', 'SELECT * FROM odd WHERE id = 3']) await pair.assertSame(one(sql));
  });

  test('of its own making', async () => {
    for (const [index, text] of [texts['a row that is not here'], texts['no JSON']].entries()) {
      const made = await pair.dry.agent.query(`CREATE TRIGGER mine_${index} BEFORE UPDATE ON few BEGIN SELECT RAISE(ABORT, '${text}'); END`);
      if (made.status !== 200) assertProblem(made, 403, 'reserved_name');
      else {
        const answer = await pair.dry.agent.query("UPDATE few SET name = 'c'");
        assertProblem(answer, 400, 'sql_error', { remedy: false });
        assert.ok(answer.json.detail.startsWith(text), answer.text);
        assert.equal((await pair.dry.agent.query(`DROP TRIGGER mine_${index}`)).status, 200);
      }
    }
  });

  test('the run goes on, and nothing of it happened', async () => {
    for (const sql of ['SELECT * FROM log', 'SELECT * FROM few', 'UPDATE big SET n = 5 WHERE id = 9 RETURNING *', "INSERT INTO big (name) VALUES ('name 20')", "INSERT INTO big (name) VALUES ('at last') RETURNING id", 'SELECT * FROM big WHERE id IN (1, 7, 9, 50)']) await pair.assertSame(one(sql));
    assert.equal(await pair.dry.gateway.digest(), untouched);
    assert.doesNotMatch(pair.dry.gateway.logs(), /panicked|RuntimeError|unreachable/);
  });
});
