// What an attacker found in rehearsed statements, and must not find again: answers of the base where the run's own belong, statements that
// break the rehearsal, names of the gateway. The same for what the report says of them: attacks_effects.test.mjs.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { makeBase, rowsOf, runOf } from './fresh_base.mjs';
import { agentOf, assertProblem, openRun, until } from './helpers.mjs';

const customers = `CREATE TABLE customers (id INTEGER PRIMARY KEY, plan TEXT); INSERT INTO customers VALUES (1, 'free'), (2, 'free');
CREATE TABLE tickets (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers(id)); INSERT INTO tickets VALUES (1, 1), (2, 2), (3, 2);`;
const change = "UPDATE customers SET plan = 'pro' WHERE id = 1";

let gateway;
before(async () => void (gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000', SHADOW_WHOLE_ROWS: '20000' } })));
beforeEach(() => gateway.heal());
after(() => gateway.stop());

/** Makes the base, opens a dry run and runs the statements in it. At the end of `use` the base is as it was. */
async function rehearsed(schema, statements, use) {
  await makeBase(gateway, schema);
  const run = await runOf(gateway);
  const contents = await gateway.digest();
  for (const sql of statements) assert.equal((await run.sql(sql)).status, 200, sql);
  gateway.recorder.clear();
  await use(run);
  assert.equal(await gateway.digest(), contents);
}

const sentToBase = (text) => gateway.recorder.requests.filter(({ store, statements }) => store === 'DB' && statements.some(({ sql }) => sql.includes(text)));

describe('a read of what the run changed', () => {
  test('that also reads the schema shows the run its own value', () =>
    rehearsed(customers, [change], async (run) => {
      const expected = [{ n: (await gateway.db.all('SELECT count(*) AS n FROM sqlite_master'))[0].n, plan: 'pro' }];
      for (const schema of ['sqlite_master', 'sqlite_schema', '"sqlite_master"', "'sqlite_master'", 'main.sqlite_master']) {
        assert.deepEqual(await run.rows(`SELECT (SELECT count(*) FROM ${schema}) AS n, plan FROM customers WHERE id = 1`), expected, schema);
      }
      assert.deepEqual(await run.rows("SELECT (SELECT count(*) FROM pragma_table_info('customers')) AS n, plan FROM customers WHERE id = 1"), [{ n: 2, plan: 'pro' }]);
    }));

  test('that also reads a virtual table has its rows', () =>
    rehearsed(`${customers} CREATE VIRTUAL TABLE notes USING fts5(body); INSERT INTO notes VALUES ('hello');`, [change], async (run) => {
      assert.deepEqual(await run.rows('SELECT c.plan, n.body FROM customers c, notes n WHERE c.id = 1'), [{ plan: 'pro', body: 'hello' }]);
      assert.deepEqual(await run.rows("SELECT plan FROM customers WHERE id = 1 AND EXISTS (SELECT 1 FROM notes WHERE notes MATCH 'hello')"), [{ plan: 'pro' }]);
      // The index of an FTS5 table is not the one of the base, so nobody is shown it.
      assertProblem(await run.sql('SELECT * FROM notes_data'), 422, 'not_rehearsable');
    }));

  test('that also reads a virtual table is the base, as long as the run changed nothing', () =>
    rehearsed(`${customers} CREATE VIRTUAL TABLE notes USING fts5(body); INSERT INTO notes VALUES ('hello');`, [], async (run) => {
      assert.deepEqual(await run.rows('SELECT c.plan, n.body FROM customers c, notes n WHERE c.id = 1'), [{ plan: 'free', body: 'hello' }]);
    }));

  test('that reads the schema after the schema was changed counts the rows of tables that were not copied before', () =>
    rehearsed(customers, ['CREATE TABLE z (a)'], async (run) => {
      const [{ n }] = await gateway.db.all('SELECT count(*) AS n FROM sqlite_master');
      assert.deepEqual(await run.rows('SELECT (SELECT count(*) FROM sqlite_master) AS n, (SELECT count(*) FROM tickets) AS t, (SELECT count(*) FROM customers) AS c'), [{ n: n + 1, t: 3, c: 2 }]);
    }));

  test('PRAGMA foreign_key_check answers from the view of the run', () =>
    rehearsed(`${customers} CREATE TABLE parents (a); INSERT INTO parents VALUES (1);`, [change], async (run) => {
      for (const check of ['PRAGMA foreign_key_check', 'PRAGMA foreign_key_check(tickets)', 'SELECT * FROM pragma_foreign_key_check']) assert.deepEqual(await run.rows(check), [], check);
      assert.deepEqual(sentToBase('foreign_key_check'), []);
      // Only the run knows of this table, whose key fits no unique index of its parent: that is an error.
      assert.equal((await run.sql('CREATE TABLE children (a REFERENCES parents(a))')).status, 200);
      assertProblem(await run.sql('PRAGMA foreign_key_check'), 400, 'sql_error', { remedy: false });
    }));

  test('the twin of that PRAGMA is known however its name is quoted', () =>
    rehearsed(customers, [change], async (run) => {
      for (const name of ['pragma_foreign_key_check', '"pragma_foreign_key_check"', '[pragma_foreign_key_check]', '`PRAGMA_foreign_key_check`', "'pragma_foreign_key_check'"]) {
        assert.deepEqual(await run.rows(`SELECT * FROM ${name}`), [], name);
        assert.deepEqual(sentToBase('oreign_key_check'), [], name);
      }
    }));

  test('in a batch, changes() and last_insert_rowid() are what they are live', async () => {
    const schema = `${customers} CREATE TABLE log (n); CREATE TABLE seed (id INTEGER PRIMARY KEY);
      CREATE TRIGGER logged AFTER UPDATE ON tickets BEGIN INSERT INTO log VALUES (new.id), (new.id); END;`;
    const middle = [
      'UPDATE customers SET plan = plan WHERE id = 99', 'UPDATE customers SET plan = plan', 'UPDATE tickets SET customer = 1', "INSERT INTO customers VALUES (7, 'a')",
      "INSERT OR REPLACE INTO customers VALUES (7, 'b'), (8, 'c')", "INSERT OR IGNORE INTO customers VALUES (7, 'c')", 'DELETE FROM tickets WHERE id > 1', 'SELECT * FROM customers', 'DELETE FROM log',
    ];
    const asked = 'SELECT changes() AS c, last_insert_rowid() AS r';
    const answers = {};
    for (const mode of ['live', 'dry_run']) {
      await makeBase(gateway, schema);
      const run = await runOf(gateway, { mode });
      answers[mode] = [];
      for (const [index, sql] of middle.entries()) {
        const answer = await run.batch([`INSERT INTO seed VALUES (${100 + index})`, sql, asked, 'INSERT INTO log SELECT changes()', asked, 'SELECT n FROM log', asked].map((one) => ({ sql: one })));
        answers[mode].push([sql, answer.status, ...(answer.json.result ?? []).map(({ results, meta }) => [results, meta.changes])]);
      }
    }
    assert.deepEqual(answers.dry_run, answers.live);
  });
});

describe('a statement as long as D1 takes', () => {
  const lengths = [99_900, 99_940, 99_959, 99_960, 99_961, 99_980, 99_990, 99_999, 100_000, 100_001];
  const padded = (length, sql) => sql.replace('#', '/*#*/').replace('#', 'p'.repeat(length - sql.length - 3));
  const kinds = {
    'a read': ['SELECT plan # FROM customers WHERE id = 1', [{ plan: 'pro' }]],
    'a read of the schema': ["SELECT plan #, (SELECT count(*) FROM sqlite_master WHERE name = 'tickets') AS n FROM customers WHERE id = 1", [{ plan: 'pro', n: 1 }]],
    'a write': ["INSERT INTO customers (plan) VALUES ('x') # RETURNING plan", [{ plan: 'x' }]],
    'a change of the schema': ['CREATE TABLE IF NOT EXISTS long (a #)', []],
    'an EXPLAIN': ['EXPLAIN QUERY PLAN SELECT # plan FROM customers', null],
  };
  for (const [name, [sql, expected]] of Object.entries(kinds)) {
    test(`is answered rightly or refused as too long: ${name}`, () =>
      rehearsed(customers, [change], async (run) => {
        for (const length of lengths) {
          const text = padded(length, sql);
          assert.equal(text.length, length);
          const answer = await run.sql(text);
          if (answer.status !== 200 || length > 100_000) assertProblem(answer, 400, 'statement_too_long', { about: `${length}` });
          else if (expected) assert.deepEqual(rowsOf(answer), expected, `${length}`);
          if (length <= 99_959) assert.equal(answer.status, 200, `${length}`);
        }
        assert.deepEqual(await run.rows('SELECT plan FROM customers WHERE id = 1'), [{ plan: 'pro' }], 'the run goes on');
      }));
  }

  test('works as one of many: thirty INSERTs with 90 KB each', () =>
    rehearsed('CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT)', [], async (run) => {
      const answer = await run.batch(Array.from({ length: 30 }, (_, index) => ({ sql: `INSERT INTO docs (body) VALUES ('${String.fromCharCode(65 + index).repeat(90_000)}')` })));
      assert.deepEqual([answer.status, answer.json.result?.length], [200, 30], answer.text.slice(0, 300));
      assert.deepEqual(await run.rows('SELECT count(*) AS n, min(length(body)) AS l, max(id) AS m FROM docs'), [{ n: 30, l: 90_000, m: 30 }]);
      const { operations, summary } = await run.report();
      assert.deepEqual([operations[0].outcome, summary.inserted], ['done', 30]);
    }));
});

describe('triggers of the base that end transactions', () => {
  test('are not seen in words of a string, a comment or a name', () =>
    rehearsed(`${customers} CREATE TABLE log (what, "rollback"); CREATE TRIGGER logged AFTER UPDATE ON customers BEGIN
      INSERT INTO log (what, "rollback") VALUES ('commit or rollback', /* or rollback */ 'RAISE(ROLLBACK)'); END;`, [change], async (run) => {
      assert.deepEqual(await run.rows('SELECT what, "rollback" AS r FROM log'), [{ what: 'commit or rollback', r: 'RAISE(ROLLBACK)' }]);
    }));

  const forms = {
    'RAISE(ROLLBACK)': "SELECT RAISE(ROLLBACK, 'invoices stay')", 'RAISE(/* */ROLLBACK)': "SELECT RAISE(/* */ROLLBACK, 'invoices stay')",
    'RAISE -- ( ROLLBACK': "SELECT raise -- why\n ( -- not\n rollback, 'invoices stay')", 'OR ROLLBACK': 'INSERT OR /* no */ ROLLBACK INTO customers VALUES (1, 1)',
  };
  for (const [name, body] of Object.entries(forms)) {
    test(`make writes to their table not rehearsable, and nothing else: ${name}`, () =>
      rehearsed(`${customers} CREATE TABLE invoices (id INTEGER PRIMARY KEY, s); INSERT INTO invoices VALUES (1, 'paid'); CREATE TRIGGER guard BEFORE DELETE ON invoices BEGIN ${body}; END;`,
        [change], async (run) => {
          assertProblem(await run.sql('DELETE FROM invoices'), 422, 'not_rehearsable');
          assertProblem(await run.batch([{ sql: "INSERT INTO customers VALUES (9, 'x')" }, { sql: 'DELETE FROM invoices' }]), 422, 'not_rehearsable');
          assert.deepEqual(await run.rows('SELECT (SELECT count(*) FROM customers) AS c, (SELECT count(*) FROM invoices) AS i, (SELECT plan FROM customers WHERE id = 1) AS p'), [{ c: 2, i: 1, p: 'pro' }]);
        }));
  }

  test('still have their names', () =>
    rehearsed("CREATE TABLE invoices (id INTEGER PRIMARY KEY); CREATE TRIGGER guard BEFORE DELETE ON invoices BEGIN SELECT RAISE(ROLLBACK, 'stay'); END;", [], async (run) => {
      // Live, the first of them is an error: there is a trigger of that name.
      assertProblem(await run.sql('CREATE TRIGGER guard AFTER INSERT ON invoices BEGIN SELECT 1; END'), 422, 'not_rehearsable');
      assertProblem(await run.sql('DROP TRIGGER guard'), 422, 'not_rehearsable');
    }));

  test('make them not rehearsable by another name of the table too', () =>
    rehearsed("CREATE TABLE invoices (id INTEGER PRIMARY KEY); INSERT INTO invoices VALUES (1); CREATE TRIGGER guard BEFORE DELETE ON invoices BEGIN SELECT RAISE(ROLLBACK, 'stay'); END;", [], async (run) => {
      const renamed = await run.sql('ALTER TABLE invoices RENAME TO bills');
      if (renamed.status !== 200) return assertProblem(renamed, 422, 'not_rehearsable');
      assertProblem(await run.sql('DELETE FROM bills'), 422, 'not_rehearsable');
    }));
});

describe('names of the gateway', () => {
  const views = ['CREATE VIEW peek AS SELECT name FROM pragma_table_list', "CREATE VIEW peek AS SELECT name FROM 'pragma_table_list'", 'CREATE VIEW peek AS SELECT name FROM [pragma_table_list]',
    'CREATE VIEW peek AS SELECT name FROM PRAGMA_TABLE_LIST', 'CREATE TABLE peek AS SELECT name FROM pragma_table_list', 'CREATE VIEW peek AS SELECT name FROM sqlite_master',
    'CREATE TRIGGER peek AFTER INSERT ON customers BEGIN INSERT INTO tickets SELECT NULL, name FROM pragma_table_list; END'];
  for (const sql of views) {
    test(`are not made visible by ${sql}`, () =>
      rehearsed(customers, [change], async (run) => assertProblem(await run.sql(sql), 422, 'not_rehearsable')));
  }

  test('stand in no answer', () =>
    rehearsed(`${customers} CREATE VIEW peek AS SELECT name FROM pragma_table_list;`, [change, 'CREATE TABLE z (a)'], async (run) => {
      const questions = ['SELECT * FROM sqlite_master', 'PRAGMA table_list', 'SELECT * FROM pragma_table_list', "SELECT * FROM 'pragma_table_list'", 'SELECT * FROM [pragma_table_list]', 'SELECT * FROM main.pragma_table_list',
        'SELECT * FROM `PRAGMA_table_list`()', 'SELECT * FROM peek', `EXPLAIN ${change}`, 'EXPLAIN DELETE FROM tickets', `EXPLAIN QUERY PLAN ${change}`, 'SELECT * FROM dbstat', 'PRAGMA index_list(customers)',
        "SELECT * FROM pragma_table_info('_dryrun_touched')",
        "SELECT * FROM '_dryrun_touched'", 'SELECT * FROM customers, `_dryrun_touched`', 'WITH p AS (SELECT * FROM pragma_table_list) SELECT * FROM p', "INSERT INTO customers (plan) SELECT name FROM 'pragma_table_list' RETURNING plan",
        'INSERT INTO customers (plan) SELECT name FROM pragma_table_list RETURNING plan', 'INSERT INTO customers (plan) SELECT name FROM peek RETURNING plan'];
      const seen = [];
      for (const sql of questions) {
        const answer = await run.sql(sql);
        assert.ok(answer.status < 500, `${sql} ${answer.text}`);
        if (answer.status === 200 && answer.text.includes('_dryrun_')) seen.push(sql);
      }
      assert.deepEqual(seen, []);
    }));
});

describe('odd tables of the base', () => {
  test('a foreign key that fits nothing does not break writes to other tables', () =>
    rehearsed(`${customers} CREATE TABLE pm (a); CREATE TABLE cm (x REFERENCES pm(a)); CREATE TABLE lone (id INTEGER PRIMARY KEY, p REFERENCES pm(a) DEFERRABLE INITIALLY DEFERRED);`, [change], async (run) => {
      assert.equal((await run.sql('INSERT INTO tickets VALUES (9, 1)')).status, 200);
      assert.equal((await run.batch([{ sql: 'DELETE FROM tickets' }, { sql: 'DELETE FROM customers' }])).status, 200);
      // Through the key itself it is the error that it is live.
      const live = await (await runOf(gateway, { mode: 'live' })).sql('INSERT INTO cm VALUES (1)');
      const dry = await run.sql('INSERT INTO cm VALUES (1)');
      assert.deepEqual([dry.status, dry.json.code, dry.json.detail], [live.status, live.json.code, live.json.detail]);
      assert.deepEqual([live.status, live.json.code], [400, 'sql_error']);
    }));

  test('a table whose columns hide its rowid is never a fault, and other tables work', () =>
    rehearsed(`${customers} CREATE TABLE hidden (rowid, _rowid_, oid); INSERT INTO hidden VALUES (1, 2, 3);`, [], async (run) => {
      const hide = [await run.sql('CREATE TABLE h (rowid, _rowid_, oid)'), await run.sql('INSERT INTO h VALUES (1, 2, 3)'), await run.sql('SELECT * FROM h'), await run.sql('SELECT * FROM hidden'), await run.sql('DELETE FROM hidden')];
      for (const answer of hide) assert.ok(answer.status < 500, answer.text);
      assert.equal((await run.sql(change)).status, 200);
      assert.deepEqual(await run.rows('SELECT plan FROM customers'), [{ plan: 'pro' }, { plan: 'free' }]);
      assert.equal((await run.sql('DELETE FROM tickets')).status, 200);
      const joined = await run.sql('SELECT c.plan, h.oid FROM customers c, hidden h WHERE c.id = 1');
      if (joined.status !== 200) assertProblem(joined, 422, 'not_rehearsable');
      else assert.deepEqual(rowsOf(joined), [{ plan: 'pro', oid: 3 }]);
    }));

  const many = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 12000)';
  const large = {
    'with a rowid': ['id INTEGER PRIMARY KEY, a', 'SELECT x, 0', ''],
    'without an own key': ['id INTEGER, a', 'SELECT x, 0', ''],
    'without a rowid': ['k TEXT, r REAL, id INTEGER, a, PRIMARY KEY (k, r, id)', "SELECT 'it''s', 0.1, x, 0", 'WITHOUT ROWID'],
  };
  for (const [name, [columns, values, without]] of Object.entries(large)) {
    test(`rows that come and go between the pages of a copy cost no others: a table ${name}`, async () => {
      await makeBase(gateway, `CREATE TABLE big (${columns}) ${without}; ${many} INSERT INTO big ${values} FROM c;`);
      const run = await runOf(gateway);
      const secondPage = ({ statements }) => statements.some(({ sql }) => /FROM `big`.*(> |OFFSET )/.test(sql));
      gateway.recorder.clear();
      await gateway.fault('DB', secondPage, { delay: 1_000 }, { times: 1 });
      const write = run.sql('UPDATE big SET a = 1 WHERE id = 12000');
      await until(() => gateway.recorder.requests.find((one) => one.store === 'DB' && secondPage(one)), 'the second page is read');
      await gateway.db.exec('DELETE FROM big WHERE id <= 3');
      assert.equal((await write).status, 200);
      const [rows] = await run.rows('SELECT count(*) AS n, count(DISTINCT id) AS d, min(id) AS least, max(id) AS most, sum(a) AS a FROM big WHERE id > 3');
      assert.deepEqual(rows, { n: 11_997, d: 11_997, least: 4, most: 12_000, a: 1 });

      const second = await runOf(gateway);
      gateway.recorder.clear();
      await gateway.fault('DB', secondPage, { delay: 1_000 }, { times: 1 });
      const other = second.sql('UPDATE big SET a = 1 WHERE id = 12000');
      await until(() => gateway.recorder.requests.find((one) => one.store === 'DB' && secondPage(one)), 'the second page is read');
      const restored = values.replace('x', 'id').replace('SELECT', 'SELECT ALL');
      await gateway.db.exec(`INSERT INTO big ${restored} FROM (SELECT 1 AS id UNION SELECT 2)`);
      const answer = await other;
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(await second.rows('SELECT count(DISTINCT id) AS d, sum(a) AS a FROM big WHERE id > 3'), [{ d: 11_997, a: 1 }]);
    });
  }
});

test('a table whose names are too long to be reported stops nothing but writes to itself', async () => {
  const columns = Array.from({ length: 100 }, (_, number) => `c${number}_${'x'.repeat(200)}`);
  const own = await startGateway();
  try {
    await own.db.exec(`CREATE TABLE lengthy (${columns.join(', ')}); CREATE TABLE brief (a); INSERT INTO lengthy (${columns[0]}) VALUES (1)`);
    const digest = await own.digest();
    const agent = agentOf(own, (await openRun(own)).token);
    assert.equal((await agent.sql('INSERT INTO brief VALUES (1)')).status, 200);
    assert.equal((await agent.sql(`SELECT ${columns[0]} AS c FROM lengthy`)).json.result[0].results[0].c, 1);
    assertProblem(await agent.sql(`UPDATE lengthy SET ${columns[1]} = 2`), 422, 'not_rehearsable');
    assert.equal((await agent.sql(`CREATE TABLE longer (${columns.join(', ')})`)).status, 200);
    assertProblem(await agent.sql(`INSERT INTO longer (${columns[0]}) VALUES (1)`), 422, 'not_rehearsable');
    assertProblem(await agent.sql('CREATE TABLE taken AS SELECT * FROM lengthy'), 422, 'not_rehearsable');
    assert.equal(await own.digest(), digest);
  } finally {
    await own.stop();
  }
});
