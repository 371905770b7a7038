// A migration in a dry run, statement by statement and as one batch: each statement succeeds or fails as it does live on a twin, the new schema
// is what follows, and the report shows every definition and every row that goes with it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { paths, reportOf } from './helpers.mjs';
import { answersOf, startPair } from './live_equals_dry/pair.mjs';
import { assertOnlyReads } from './rehearsal.mjs';

const customers = 'CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT, legacy TEXT)';
const schema = `${customers};
  CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, cents INTEGER);
  CREATE TABLE lines (id INTEGER PRIMARY KEY, "order" INTEGER REFERENCES orders (id) ON DELETE CASCADE, sku TEXT);
  CREATE TABLE invoices (id INTEGER PRIMARY KEY, number TEXT, total TEXT, note);
  CREATE TABLE payments (id INTEGER PRIMARY KEY, invoice INTEGER REFERENCES invoices (id), cents);
  CREATE TABLE sessions (token TEXT PRIMARY KEY, customer INTEGER) WITHOUT ROWID;
  CREATE TABLE drafts (id INTEGER PRIMARY KEY);
  CREATE TABLE counters (id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER);
  CREATE INDEX orders_by_customer ON orders (customer);
  INSERT INTO customers VALUES (1, 'a@x', 'Ada', 'old-1'), (2, 'b@x', 'Ben', NULL), (3, 'c@x', 'Cleo', x'00ff'), (4, 'a@x', NULL, 4.5);
  INSERT INTO orders VALUES (10, 1, 500), (11, 1, 700), (12, 3, 900);
  INSERT INTO lines VALUES (100, 10, 'x'), (101, 10, 'y'), (102, 12, 'z');
  INSERT INTO invoices VALUES (1, 'I-1', '12.50', 'n'), (2, 'I-2', '7', NULL);
  INSERT INTO payments VALUES (1, 1, 1250);
  INSERT INTO sessions VALUES ('s1', 1), ('s2', 2);
  INSERT INTO counters (n) VALUES (1), (2), (3);
  DELETE FROM counters WHERE id = 3;`;

const one = (sql) => ({ name: sql, sql: [sql], path: paths.d1('raw'), json: { sql } });
const batch = (...statements) => ({ name: `batch ${statements.join('; ')}`, sql: statements, path: paths.d1('raw'), json: { batch: statements.map((sql) => ({ sql })) } });
const definitions = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY type, name";

/** A pair that is alike in schema and rows, asserts it, and closes. */
function pairOf() {
  let pair;
  let untouched;
  before(async () => {
    pair = await startPair(({ db }) => db.exec(schema));
    untouched = await pair.dry.gateway.contents();
  });
  after(() => pair?.stop());
  return {
    same: (request) => pair.assertSame(request),
    /** Both do it, or both refuse. Local D1 dies of a key that is broken in the end, and gives no clear answer. */
    async bothOrNeither(request) {
      const statuses = await Promise.all([pair.live, pair.dry].map(async ({ agent }) => (await answersOf(agent, request))[0].status));
      assert.equal(statuses[1] === 200, statuses[0] === 200, `live ${statuses[0]}, dry ${statuses[1]}`);
      return statuses[0] === 200;
    },
    report: () => reportOf(pair.dry.gateway, pair.dry.agent.id),
    markdown: async () => (await pair.dry.gateway.api(`/v1/runs/${pair.dry.agent.id}/report?format=markdown`, { key: 'approver' })).text,
    both: async (sql) => [(await pair.dry.agent.query(sql)).json.result?.[0].results, await pair.live.gateway.db.all(sql)],
    async assertAlike() {
      const { dry, live } = pair;
      const made = await live.gateway.db.all(definitions);
      assert.deepEqual((await dry.agent.query(definitions)).json.result[0].results, made);
      for (const { name } of made.filter(({ type }) => type === 'table' || type === 'view')) {
        const sql = `SELECT * FROM "${name}" ORDER BY 1`;
        assert.deepEqual((await dry.agent.query(sql)).json.result?.[0].results, await live.gateway.db.all(sql), name);
      }
      assert.deepEqual(await dry.gateway.contents(), untouched);
      assertOnlyReads(dry.gateway, [dry.agent.id]);
    },
  };
}

const shown = (report, subject) => {
  const items = report.changes.find((group) => group.subject === subject)?.items ?? [];
  return Object.fromEntries(items.map(({ key, change, fields }) => [key, [change, Object.fromEntries(fields.map(({ field, before: was, after: is }) => [field, [was, is]]))]]));
};

describe('statement by statement', () => {
  const pair = pairOf();
  const steps = {
    'new tables': ['CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)', "INSERT INTO teams VALUES (1, 'default'), (2, 'vip')", 'CREATE TABLE teams (id)', 'CREATE TABLE IF NOT EXISTS teams (id)', "INSERT INTO teams (name) VALUES ('vip')"],
    'columns that come': [
      'ALTER TABLE customers ADD COLUMN team INTEGER NOT NULL', 'ALTER TABLE drafts ADD COLUMN team INTEGER NOT NULL', 'INSERT INTO drafts (id) VALUES (1)', 'INSERT INTO drafts VALUES (1, 2)', 'ALTER TABLE drafts ADD COLUMN other INTEGER NOT NULL',
      'ALTER TABLE customers ADD COLUMN team INTEGER NOT NULL DEFAULT 1 REFERENCES teams (id)', 'ALTER TABLE customers ADD COLUMN team INTEGER NOT NULL DEFAULT 1', 'ALTER TABLE customers ADD COLUMN team INTEGER', 'ALTER TABLE customers ADD COLUMN owner INTEGER REFERENCES teams (id)',
      'ALTER TABLE customers ADD COLUMN n INTEGER DEFAULT 0 CHECK (n > 0)', 'ALTER TABLE customers ADD COLUMN since TEXT DEFAULT CURRENT_TIMESTAMP', 'ALTER TABLE customers ADD COLUMN code TEXT UNIQUE', 'ALTER TABLE customers ADD COLUMN key INTEGER PRIMARY KEY',
      "ALTER TABLE customers ADD COLUMN domain TEXT AS (substr(email, instr(email, '@') + 1)) VIRTUAL", 'ALTER TABLE customers ADD COLUMN kept TEXT AS (email) STORED', 'SELECT * FROM customers ORDER BY id', 'UPDATE customers SET owner = 2 WHERE id = 1', 'UPDATE customers SET owner = 9 WHERE id = 1',
      'ALTER TABLE nowhere ADD COLUMN a',
    ],
    'columns that change': [
      'ALTER TABLE customers RENAME COLUMN name TO full_name', 'SELECT name FROM customers', 'SELECT full_name FROM customers ORDER BY id', 'ALTER TABLE customers RENAME COLUMN full_name TO email', 'ALTER TABLE customers RENAME COLUMN nowhere TO a',
      'ALTER TABLE customers DROP COLUMN legacy', 'ALTER TABLE customers DROP COLUMN id', 'ALTER TABLE customers DROP COLUMN email', 'ALTER TABLE customers DROP COLUMN nowhere', 'SELECT * FROM customers ORDER BY id', 'ALTER TABLE orders DROP COLUMN customer',
    ],
    'indexes': [
      'CREATE UNIQUE INDEX one_email ON customers (email)', "UPDATE customers SET email = 'd@x' WHERE id = 4 RETURNING *", 'CREATE UNIQUE INDEX one_email ON customers (email)', "INSERT INTO customers (email) VALUES ('d@x')", 'CREATE UNIQUE INDEX one_email ON customers (full_name)',
      'CREATE UNIQUE INDEX one_name ON customers (lower(full_name)) WHERE team = 1', "INSERT INTO customers (email, full_name) VALUES ('e@x', 'ADA')", "INSERT INTO customers (email, full_name, team) VALUES ('e@x', 'ADA', 2)", 'CREATE INDEX nothing ON customers (nowhere)',
      'DROP INDEX orders_by_customer', 'DROP INDEX orders_by_customer', 'DROP INDEX sqlite_autoindex_teams_1',
    ],
    'triggers and views': [
      "CREATE TRIGGER audited AFTER UPDATE OF team ON customers BEGIN INSERT INTO counters (n) VALUES (new.team * 100 + old.team); END", 'UPDATE customers SET team = 2 WHERE id IN (1, 2)', 'SELECT * FROM counters ORDER BY id',
      'CREATE VIEW spent AS SELECT c.id, c.full_name, sum(o.cents) AS cents FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.id', 'SELECT * FROM spent ORDER BY id', 'CREATE VIEW spent AS SELECT 1', 'CREATE VIEW broken AS SELECT * FROM nowhere', 'SELECT * FROM broken', 'DROP VIEW broken',
      'CREATE TRIGGER rename_spent INSTEAD OF UPDATE ON spent BEGIN UPDATE customers SET full_name = new.full_name WHERE id = old.id; END', "UPDATE spent SET full_name = 'Adele' WHERE id = 1", 'ALTER TABLE customers RENAME COLUMN full_name TO called', 'SELECT * FROM spent ORDER BY id',
      'SELECT sql FROM sqlite_master WHERE name IN (\'spent\', \'rename_spent\', \'one_name\') ORDER BY name', 'ALTER TABLE customers DROP COLUMN called', "UPDATE spent SET called = 'Ada' WHERE id = 1",
    ],
    'a table that is made anew': [
      "CREATE TABLE invoices_new (id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, cents INTEGER NOT NULL CHECK (cents > 0)) STRICT", 'INSERT INTO invoices_new SELECT id, number, total FROM invoices', 'INSERT INTO invoices_new SELECT id, number, CAST(round(total * 100) AS INTEGER) FROM invoices',
      'DROP TABLE invoices', 'DELETE FROM payments', 'DROP TABLE invoices', 'INSERT INTO payments VALUES (2, 1, 1250)', 'ALTER TABLE invoices_new RENAME TO invoices', 'SELECT * FROM invoices ORDER BY id', 'INSERT INTO payments VALUES (2, 1, 1250)', 'INSERT INTO payments VALUES (3, 9, 1)', 'SELECT * FROM invoices_new',
      "SELECT sql FROM sqlite_master WHERE name IN ('invoices', 'payments') ORDER BY name", "INSERT INTO invoices (number, cents) VALUES ('I-3', 'x')", "INSERT INTO invoices (number, cents) VALUES ('I-2', 3)",
    ],
    'tables that go': [
      'DROP TABLE sessions', 'SELECT * FROM sessions', 'DROP TABLE sessions', 'DROP TABLE IF EXISTS sessions', 'CREATE TABLE sessions (token TEXT PRIMARY KEY, until INTEGER)', "INSERT INTO sessions VALUES ('s1', 5)", 'DROP VIEW spent', 'DROP TABLE customers', 'SELECT (SELECT count(*) FROM orders) AS o, (SELECT count(*) FROM lines) AS l',
      'INSERT INTO orders VALUES (20, 1, 1)', 'ALTER TABLE counters RENAME TO tallies', 'INSERT INTO tallies (n) VALUES (9) RETURNING id', 'SELECT * FROM sqlite_sequence', 'DROP TABLE tallies', 'CREATE TABLE tallies (id INTEGER PRIMARY KEY AUTOINCREMENT, n)', 'INSERT INTO tallies (n) VALUES (9) RETURNING id',
    ],
  };
  for (const [what, statements] of Object.entries(steps)) {
    describe(what, () => {
      for (const [index, sql] of statements.entries()) test(`${index + 1}: ${sql}`, () => pair.same(one(sql)));
    });
  }

  test('the schema and every row are the live ones in the end', () => pair.assertAlike());

  describe('the report', () => {
    let report;
    before(async () => (report = await pair.report()));

    test('shows each definition and the number of rows before and after', () => {
      const schemaChanges = shown(report, 'schema');
      assert.deepEqual(schemaChanges['table customers'], ['deleted', { sql: [customers, undefined], rows: [4, undefined] }]);
      assert.deepEqual(schemaChanges['table teams'], ['inserted', { sql: [undefined, 'CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)'], rows: [undefined, 0] }]);
      assert.deepEqual(schemaChanges['table drafts'], ['updated', { sql: ['CREATE TABLE drafts (id INTEGER PRIMARY KEY)', 'CREATE TABLE drafts (id INTEGER PRIMARY KEY, team INTEGER NOT NULL)'] }]);
      const [change, { sql: [was, is] }] = schemaChanges['table invoices'];
      assert.deepEqual([change, was, is], ['updated', 'CREATE TABLE invoices (id INTEGER PRIMARY KEY, number TEXT, total TEXT, note)', 'CREATE TABLE "invoices" (id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, cents INTEGER NOT NULL CHECK (cents > 0)) STRICT']);
      assert.deepEqual(schemaChanges['index orders_by_customer'], ['deleted', { sql: ['CREATE INDEX orders_by_customer ON orders (customer)', undefined] }]);
      assert.deepEqual(schemaChanges['table orders'], ['updated', { rows: [3, 0] }]);
      assert.deepEqual(schemaChanges['table lines'], ['updated', { rows: [3, 0] }]);
      assert.ok(['table counters', 'table sessions', 'table tallies'].every((name) => schemaChanges[name]), Object.keys(schemaChanges).join(', '));
      // What came and went again is not there.
      assert.ok(['index one_name', 'view spent', 'view broken', 'trigger audited', 'trigger rename_spent', 'table invoices_new'].every((name) => !schemaChanges[name]), Object.keys(schemaChanges).join(', '));
    });

    test('lists the rows that went with their table, whole', () => {
      assert.deepEqual(Object.entries(shown(report, 'customers')).map(([key, [change, { id, email, name, full_name: full = name, legacy }]]) => [key, change, id, email, full, legacy]), [
        ['1', 'deleted', [1, undefined], ['a@x', undefined], ['Ada', undefined], ['old-1', undefined]], ['2', 'deleted', [2, undefined], ['b@x', undefined], ['Ben', undefined], [null, undefined]],
        ['3', 'deleted', [3, undefined], ['c@x', undefined], ['Cleo', undefined], [{ blob: '00FF' }, undefined]], ['4', 'deleted', [4, undefined], ['a@x', undefined], [null, undefined], ['4.5', undefined]],
      ]);
      // Another table under the same name, also when it is kept in another way: a row with the same primary key is the same row.
      assert.deepEqual(report.changes.find(({ subject }) => subject === 'sessions').items.map(({ key, change }) => `${change} ${key}`).sort(), ['deleted s2', 'updated s1']);
    });

    test('lists the rows that went by foreign keys, two tables further', () => {
      assert.deepEqual(Object.entries(shown(report, 'orders')).map(([key, [change, { cents }]]) => [key, change, cents]), [['10', 'deleted', [500, undefined]], ['11', 'deleted', [700, undefined]], ['12', 'deleted', [900, undefined]]]);
      assert.deepEqual(Object.entries(shown(report, 'lines')).map(([key, [change, { sku }]]) => [key, change, sku]), [['100', 'deleted', ['x', undefined]], ['101', 'deleted', ['y', undefined]], ['102', 'deleted', ['z', undefined]]]);
    });

    test('warns of what the DROPs took along, in the Markdown too', async () => {
      const text = await pair.markdown();
      assert.match(text, /DROP TABLE `customers` also removed 3 rows of `lines` and 3 rows of `orders`/);
      assert.ok(text.includes('old-1') && text.includes('## DB `schema`'), text.slice(0, 3000));
    });
  });
});

describe('what a DROP COLUMN takes', () => {
  const pair = pairOf();
  test('is in the report, row by row', async () => {
    for (const sql of ['ALTER TABLE customers DROP COLUMN legacy', "ALTER TABLE customers ADD COLUMN team TEXT NOT NULL DEFAULT 'default'", 'ALTER TABLE customers RENAME COLUMN name TO full_name', "UPDATE customers SET team = 'vip' WHERE id = 2"]) await pair.same(one(sql));
    await pair.assertAlike();
    const report = await pair.report();
    const rows = shown(report, 'customers');
    // The value that every row has by default is in the definition; where the run wrote another one, it is in the row.
    assert.deepEqual(Object.entries(rows).map(([key, [change, { legacy, team }]]) => [key, change, legacy, team]), [
      ['1', 'updated', ['old-1', undefined], undefined], ['2', 'updated', [null, undefined], [undefined, 'vip']], ['3', 'updated', [{ blob: '00FF' }, undefined], undefined], ['4', 'updated', ['4.5', undefined], undefined],
    ]);
    const [change, { sql, rows: count }] = shown(report, 'schema')['table customers'];
    assert.deepEqual([change, sql, count], ['updated', [customers, "CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL, full_name TEXT, team TEXT NOT NULL DEFAULT 'default')"], undefined]);
    assert.match(await pair.markdown(), /`legacy`: was `old-1`/);
  });
});

describe('as one batch', () => {
  const pair = pairOf();
  const migration = [
    'PRAGMA defer_foreign_keys = on', 'CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)', "INSERT INTO teams VALUES (1, 'default')", 'ALTER TABLE customers ADD COLUMN team INTEGER NOT NULL DEFAULT 1', 'ALTER TABLE customers RENAME COLUMN name TO full_name',
    'CREATE TABLE lines_new (id INTEGER PRIMARY KEY, "order" INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE, sku TEXT NOT NULL, pieces INTEGER NOT NULL DEFAULT 1)', 'INSERT INTO lines_new (id, "order", sku) SELECT id, "order", upper(sku) FROM lines', 'DROP TABLE lines', 'ALTER TABLE lines_new RENAME TO lines',
    'CREATE INDEX lines_by_order ON lines ("order")', 'ALTER TABLE customers DROP COLUMN legacy', 'CREATE TRIGGER counted AFTER INSERT ON lines BEGIN UPDATE counters SET n = n + new.pieces WHERE id = 1; END', 'CREATE VIEW busy AS SELECT customer, count(*) AS orders FROM orders GROUP BY customer', 'DROP TABLE sessions',
  ];
  const unique = 'CREATE UNIQUE INDEX one_email ON customers (email)';

  test('that fails at its last statement, nothing of it is there', async () => {
    await pair.same(batch(...migration, unique));
    await pair.same(one('SELECT * FROM teams'));
    await pair.same(one('SELECT * FROM lines ORDER BY id'));
    await pair.assertAlike();
    const { changes, problems } = await pair.report();
    assert.deepEqual(changes, []);
    assert.match(problems[0].message, /UNIQUE constraint failed: customers\.email/);
  });

  test('that fails in its middle, nothing of it is there either', async () => {
    await pair.same(batch(...migration.slice(0, 5), 'ALTER TABLE customers ADD COLUMN code TEXT NOT NULL', ...migration.slice(5)));
    await pair.assertAlike();
  });

  test('that is right is done, and the next statements work on the new schema', async () => {
    await pair.same(batch(...migration, "UPDATE customers SET email = 'd@x' WHERE id = 4", unique, 'SELECT id, full_name, team FROM customers ORDER BY id', 'SELECT * FROM lines ORDER BY id'));
    for (const sql of ['INSERT INTO lines ("order", sku, pieces) VALUES (11, \'W\', 5) RETURNING *', 'SELECT n FROM counters WHERE id = 1', 'INSERT INTO lines ("order", sku) VALUES (99, \'V\')', "INSERT INTO customers (email) VALUES ('d@x')", 'SELECT * FROM busy ORDER BY customer', 'DELETE FROM orders WHERE id = 10 RETURNING *', 'SELECT * FROM lines ORDER BY id', 'SELECT legacy FROM customers']) {
      await pair.same(one(sql));
    }
    await pair.assertAlike();
  });

  test('and the report names what it did to definitions and rows', async () => {
    const report = await pair.report();
    const schemaChanges = shown(report, 'schema');
    assert.deepEqual(Object.entries(schemaChanges).map(([name, [change]]) => `${change} ${name}`).sort(), [
      'deleted table sessions', 'inserted index lines_by_order', 'inserted index one_email', 'inserted table teams', 'inserted trigger counted', 'inserted view busy', 'updated table customers', 'updated table lines']);
    assert.deepEqual(schemaChanges['table sessions'][1].rows, [2, undefined]);
    assert.deepEqual(schemaChanges['trigger counted'][1].sql, [undefined, migration[11]]);
    assert.deepEqual(shown(report, 'sessions'), { s1: ['deleted', { token: ['s1', undefined], customer: [1, undefined] }], s2: ['deleted', { token: ['s2', undefined], customer: [2, undefined] }] });
    assert.deepEqual(shown(report, 'customers')['3'][1].legacy, [{ blob: '00FF' }, undefined]);
  });

  test('and follows the rows of the table that was made anew under its name', async () => {
    const report = await pair.report();
    const lines = shown(report, 'lines');
    assert.deepEqual(lines['102'], ['updated', { sku: ['z', 'Z'], pieces: [undefined, 1] }]);
    assert.deepEqual([lines['100'][0], lines['101'][0]], ['deleted', 'deleted']);
    assert.deepEqual(shown(report, 'lines_new'), {});
  });
});

describe('making a parent table anew', () => {
  const rebuilt = (table, columns, copied) => [`CREATE TABLE ${table}_new (${columns})`, `INSERT INTO ${table}_new SELECT ${copied} FROM ${table}`, `DROP TABLE ${table}`, `ALTER TABLE ${table}_new RENAME TO ${table}`];
  const pair = pairOf();

  test('takes the rows that cascade along, and the report says so', async () => {
    await pair.same(batch('PRAGMA defer_foreign_keys = on', ...rebuilt('customers', 'id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL', "id, email, coalesce(name, '')")));
    await pair.same(one('SELECT count(*) FROM orders'));
    await pair.assertAlike();
    const report = await pair.report();
    assert.deepEqual(['orders', 'lines'].map((table) => Object.values(shown(report, table)).map(([change]) => change)), [Array(3).fill('deleted'), Array(3).fill('deleted')]);
    assert.match(await pair.markdown(), /removed .*3 rows of `orders`/);
  });

  test('is as live where the key has no action: refused, with the children away, and with the check deferred', async () => {
    const statements = rebuilt('invoices', 'id INTEGER PRIMARY KEY, number TEXT NOT NULL', 'id, number');
    await pair.same(batch(...statements));
    await pair.assertAlike();
    await pair.same(batch('PRAGMA defer_foreign_keys = on', 'CREATE TABLE paid AS SELECT * FROM payments', 'DELETE FROM payments', ...statements, 'INSERT INTO payments SELECT * FROM paid', 'DROP TABLE paid'));
    await pair.same(one('SELECT * FROM payments'));
    await pair.assertAlike();
    // The new table takes the place of the old one too late: its rows were counted as missing when the old one went. Local D1 dies of a
    // deferred constraint that is broken in the end, and gives no clear answer: alike is only that both refuse.
    await pair.same({ ...batch('PRAGMA defer_foreign_keys = on', ...statements), refusedAnyhow: true });
    await pair.assertAlike();
  });
});

describe('keys that are broken on the way and checked in the end', () => {
  const pair = pairOf();
  const again = ['CREATE TABLE invoices_new (id INTEGER PRIMARY KEY, number TEXT, total TEXT, note)', 'INSERT INTO invoices_new SELECT * FROM invoices', 'DROP TABLE invoices', 'ALTER TABLE invoices_new RENAME TO invoices'];
  const payments = 'CREATE TABLE payments (id INTEGER PRIMARY KEY, invoice INTEGER REFERENCES invoices (id), cents)';
  const orders = {
    'the children go after the old table': [...again.slice(0, 3), 'DELETE FROM payments', again[3]],
    'the children go after the new table has its name': [...again, 'DELETE FROM payments'],
    'the children are written again': [...again, 'UPDATE payments SET invoice = invoice'],
    'the children point elsewhere': [...again, 'UPDATE payments SET invoice = 2'],
    'the children point nowhere': [...again, 'UPDATE payments SET invoice = NULL'],
    'the children point nowhere meanwhile': ['UPDATE payments SET invoice = NULL', ...again, 'UPDATE payments SET invoice = 1'],
    'the parents go and come back': ['CREATE TABLE kept AS SELECT * FROM invoices', 'DELETE FROM invoices', 'INSERT INTO invoices SELECT * FROM kept', 'DROP TABLE kept'],
    'only another parent comes back': ['DELETE FROM invoices WHERE id = 1', "INSERT INTO invoices (id, number) VALUES (3, 'I-3')"],
    'the old table is renamed first': ['ALTER TABLE invoices RENAME TO invoices_old', again[0].replace('_new', ''), 'INSERT INTO invoices SELECT * FROM invoices_old', 'DROP TABLE invoices_old'],
    'the table of the children is dropped first': ['CREATE TABLE paid AS SELECT * FROM payments', 'DROP TABLE payments', ...again, payments, 'INSERT INTO payments SELECT * FROM paid', 'DROP TABLE paid'],
    'the table of the children is dropped after': ['CREATE TABLE paid AS SELECT * FROM payments', ...again, 'DROP TABLE payments', payments, 'INSERT INTO payments SELECT * FROM paid', 'DROP TABLE paid'],
    'an orphan comes and goes': ['INSERT INTO payments VALUES (50, 77, 1)', 'DELETE FROM payments WHERE id = 50'],
    'an orphan goes with its table': ['INSERT INTO payments VALUES (50, 77, 1)', 'DROP TABLE payments', payments],
    'an orphan gets its parent, and both go': ['INSERT INTO payments VALUES (51, 78, 1)', 'INSERT INTO invoices (id) VALUES (78)', 'DELETE FROM invoices WHERE id = 78', 'DELETE FROM payments WHERE id = 51'],
    'the check is put on again while there is an orphan': ['INSERT INTO payments VALUES (52, 79, 1)', 'PRAGMA defer_foreign_keys = off', 'DELETE FROM payments WHERE id = 52'],
    'an orphan stays': ['INSERT INTO payments VALUES (53, 80, 1)', 'SELECT * FROM payments'],
    'the parent is another table in the end': ['INSERT INTO payments VALUES (54, 81, 1)', 'DROP TABLE payments', payments.replace('invoices', 'customers'), 'INSERT INTO payments VALUES (54, 1, 1)'],
  };
  const done = [];
  for (const [what, statements] of Object.entries(orders)) {
    test(`end as they do live: ${what}`, async () => {
      if (await pair.bothOrNeither(batch('PRAGMA defer_foreign_keys = on', ...statements))) done.push(what);
      await pair.assertAlike();
      await pair.same(one('INSERT INTO payments VALUES (99, 999, 1)'));
      await pair.same(one('INSERT OR IGNORE INTO payments VALUES (1, 1, 1250)'));
      await pair.same(one("INSERT OR REPLACE INTO invoices (id, number) VALUES (2, 'I-2')"));
    });
  }

  test('and that is not the same end for all', () => assert.ok(done.length > 3 && done.length < Object.keys(orders).length - 3, done.join(', ')));
});

describe('names that tables give each other', () => {
  const pair = pairOf();
  const steps = ["UPDATE drafts SET id = id", "INSERT INTO drafts VALUES (1), (2)", 'ALTER TABLE invoices RENAME TO spare', 'ALTER TABLE orders RENAME TO invoices', 'ALTER TABLE spare RENAME TO orders', "UPDATE orders SET note = 'was an invoice' WHERE id = 1", 'UPDATE invoices SET cents = 1 WHERE id = 10', 'DELETE FROM invoices WHERE id = 12', 'ALTER TABLE drafts RENAME TO Drafts', 'ALTER TABLE drafts RENAME TO papers', 'INSERT INTO papers VALUES (3)', 'DELETE FROM papers WHERE id = 1'];
  before(async () => {
    for (const sql of steps) await pair.same(one(sql));
  });

  test('are followed by the rows', async () => {
    await pair.assertAlike();
    const report = await pair.report();
    const brief = Object.fromEntries(report.changes.filter(({ subject }) => subject !== 'schema').map(({ subject, items }) => [subject, items.map(({ key, change }) => `${change} ${key}`).sort()]));
    assert.deepEqual(brief, { papers: ['inserted 2', 'inserted 3'], orders: ['updated 1'], invoices: ['deleted 12', 'updated 10'], lines: ['deleted 102'] });
    assert.deepEqual(shown(report, 'orders')['1'][1].note, ['n', 'was an invoice']);
    assert.deepEqual(shown(report, 'invoices')['10'][1], { cents: [500, 1] });
  });

  test('are in the schema of the report', async () => {
    const items = shown(await pair.report(), 'schema');
    const told = JSON.stringify(items);
    assert.ok(told.includes('papers') && told.includes('orders') && told.includes('invoices') && !told.includes('table spare'), told);
  });
});
