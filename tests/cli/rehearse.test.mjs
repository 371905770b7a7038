// Migrations rehearsed by the command against a gateway: what passes, what does not and why, and that wrangler then meets the same.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openRun } from '../e2e/helpers.mjs';
import { projectFolder } from '../e2e/harness/settings.mjs';
import { twoEnvironments } from './helpers.mjs';

const schema = `
  CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT);
  CREATE TABLE orders (id TEXT PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, note TEXT);
  CREATE TABLE invoices (id INTEGER PRIMARY KEY, number TEXT);
  CREATE UNIQUE INDEX invoice_number ON invoices (number);
  CREATE TABLE payments (id INTEGER PRIMARY KEY, invoice TEXT REFERENCES invoices (number));
  CREATE TABLE audit (what TEXT);
  CREATE TRIGGER audited AFTER UPDATE OF name ON customers BEGIN INSERT INTO audit VALUES (new.name); END;`;
const rows = `
  INSERT INTO customers VALUES (1, 'a@x', 'Ada'), (2, 'b@x', 'Ben'), (3, 'c@x', NULL);
  INSERT INTO orders VALUES ('o-3', 1, 'first'), ('o-1', 1, 'second'), ('o-2', 3, 'third');
  INSERT INTO invoices VALUES (1, 'I-1');
  INSERT INTO payments VALUES (1, 'I-1');`;
const tables = ['customers', 'orders', 'invoices', 'payments', 'audit', 'd1_migrations'];

let staging;
let production;
let project;
let stop;
before(async () => void ({ staging, production, project, stop } = await twoEnvironments()));
after(() => stop?.());

const empty = async (gateway) => gateway.db.exec(tables.map((table) => `DROP TABLE IF EXISTS ${table};`).reverse().join('\n'));
beforeEach(async () => {
  for (const gateway of [staging, production]) await empty(gateway);
  await staging.db.exec(schema);
  await production.db.exec(schema + rows);
});

let folders = 0;
/** A folder of migrations: { '0001_a.sql': text, … }. */
function migrations(files) {
  const folder = path.join(project.folder, `migrations-${(folders += 1)}`);
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

/** Rehearses against production, and makes sure that nothing is written and no run stays open. */
async function rehearse(files, { args = [], json = true, gateway = production } = {}) {
  const folder = typeof files === 'string' ? files : migrations(files);
  const untouched = await gateway.digest();
  const said = await project.run(['rehearse', folder, '--from', gateway.environment, ...args, ...(json ? ['--json'] : [])]);
  assert.deepEqual(await gateway.digest(), untouched, 'the stores are as they were');
  const { runs } = (await gateway.api('/v1/runs?limit=50', { key: 'agent' })).json;
  assert.deepEqual(runs.filter(({ closed_at: closed }) => closed === null), [], 'no run stays open');
  return said;
}

const passes = async (files, options) => {
  const said = await rehearse(files, options);
  assert.equal(said.code, 0, said.stdout + said.stderr);
  assert.equal(said.json.passes, true);
  return said.json;
};
const fails = async (files, options) => {
  const said = await rehearse(files, options);
  assert.equal(said.code, 1, said.stdout + said.stderr);
  assert.equal(said.json.passes, false);
  return said.json;
};
const outcomes = (file) => file.statements.map(({ outcome }) => outcome);
const found = (file) => file.findings.map(({ code, table, rows: count, statement }) => [code, table, count, statement]);

describe('migrations that do what they say', () => {
  test('pass, with the rows that each statement touches', async () => {
    const told = await passes({
      '0001_teams.sql': "CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\nINSERT INTO teams VALUES (1, 'vip');\n\nALTER TABLE customers ADD COLUMN team INTEGER REFERENCES teams (id);\n",
      '0002_assign.sql': '-- everybody with a name\nUPDATE customers SET team = 1 WHERE id < 3;\nDELETE FROM payments WHERE id = 1;\n',
    });
    const [teams, assign] = told.files;
    assert.deepEqual(teams.statements.map(({ line }) => line).slice(0, 3), [1, 2, 4]);
    assert.deepEqual(teams.statements[1].rows, { teams: { inserted: 1, updated: 0, deleted: 0 } });
    assert.deepEqual(teams.statements[2].schema, ['changed table customers']);
    assert.deepEqual(assign.statements[0], { ...assign.statements[0], line: 2, outcome: 'done', rows: { customers: { inserted: 0, updated: 2, deleted: 0 } } });
    assert.deepEqual(assign.counts, [{ table: 'payments', before: 1, after: 0 }]);
    assert.deepEqual(assign.warnings, ['customers.team is filled in part: it stays NULL in 1 of 3 rows.']);
    assert.deepEqual(told.foreign_keys, { checked: true, broken: [], not_checked_because: null });
  });

  test('see what the files before them did, and only those that are not applied run', async () => {
    const files = { '0001_a.sql': 'CREATE TABLE a (id);', '0002_b.sql': 'INSERT INTO a VALUES (1);', '0010_c.sql': 'INSERT INTO a VALUES (2);', 'README.md': 'no migration' };
    await production.db.exec("CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL); INSERT INTO d1_migrations (name) VALUES ('0001_a.sql'); CREATE TABLE a (id);");
    const told = await passes(files);
    assert.deepEqual([told.applied, told.files.map(({ name }) => name)], [['0001_a.sql'], ['0002_b.sql', '0010_c.sql']]);
    assert.deepEqual(told.files.map(({ counts }) => counts), [[{ table: 'a', before: 0, after: 1 }], [{ table: 'a', before: 1, after: 2 }]]);
    await production.db.exec("INSERT INTO d1_migrations (name) VALUES ('0002_b.sql'), ('0010_c.sql'); DROP TABLE a;");
    const nothing = await rehearse(files, { json: false });
    assert.deepEqual([nothing.code, /Nothing is pending/.test(nothing.stdout)], [0, true], nothing.stdout);
  });

  test('one that was left out before an applied one is pointed out', async () => {
    await production.db.exec("CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL); INSERT INTO d1_migrations (name) VALUES ('0002_b.sql');");
    const told = await passes({ '0001_a.sql': 'CREATE TABLE a (id);', '0002_b.sql': 'SELECT 1;' });
    assert.deepEqual(told.notes, ['0001_a.sql is not applied, but 0002_b.sql, which comes after it, is.']);
    await production.db.exec('DROP TABLE d1_migrations');
  });

  test('a single file runs as it is, and is not recorded', async () => {
    const file = path.join(migrations({ 'fix.sql': "UPDATE invoices SET number = 'I-9' WHERE id = 7;" }), 'fix.sql');
    const told = await passes(file);
    assert.deepEqual([told.files.length, outcomes(told.files[0])], [1, ['done']]);
  });

  test('a folder for each migration, as some tools write them', async () => {
    const told = await passes({ '0002_b/migration.sql': 'INSERT INTO a VALUES (1);', '0001_a/migration.sql': 'CREATE TABLE a (id);', '0001_a/snapshot.json': '{}' });
    assert.deepEqual(told.files.map(({ name }) => name), ['0001_a/migration.sql', '0002_b/migration.sql']);
  });

  test('a table that is made anew with all its rows passes, whatever their rowids become', async () => {
    const told = await passes({ '0001_anew.sql': "CREATE TABLE orders_new (id TEXT PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id), note TEXT NOT NULL DEFAULT '');\nINSERT INTO orders_new SELECT id, customer, note FROM orders ORDER BY id;\nDROP TABLE orders;\nALTER TABLE orders_new RENAME TO orders;\n" });
    assert.deepEqual([found(told.files[0]), told.files[0].counts], [[], []]);
  });
});

describe('migrations that fail where there are rows', () => {
  const required = { '0001_ok.sql': 'CREATE TABLE fine (id);', '0002_region.sql': 'CREATE TABLE regions (id);\n\nALTER TABLE customers ADD COLUMN region TEXT NOT NULL;\nCREATE TABLE after_it (id);', '0003_later.sql': 'CREATE TABLE later (id);' };

  test('a column that is NOT NULL without default: passes where the table is empty, and fails by name where it is not', async () => {
    const there = await passes(required, { gateway: staging });
    assert.match(there.files[1].warnings.join(), /line 3: region is NOT NULL and has no default/);
    const told = await fails(required);
    const [first, second, third] = told.files;
    assert.equal(first.outcome, 'done');
    assert.deepEqual(outcomes(second), ['undone', 'failed', 'not_run', 'not_run']);
    assert.deepEqual([second.problem.line, second.problem.message], [3, 'Cannot add a NOT NULL column with default value NULL: SQLITE_ERROR']);
    assert.deepEqual([third.outcome, third.statements], ['not_run', []]);
    const said = await rehearse(required, { json: false });
    assert.match(said.stdout, /line 3 .*FAILED .*ALTER TABLE customers ADD COLUMN region/);
    assert.match(said.stdout, /0003_later\.sql +not run/);
  });

  test('foreign keys are not said to be checked when nothing ran', async () => {
    const told = await fails({ '0001_x.sql': 'INSERT INTO nowhere VALUES (1);' });
    assert.deepEqual(told.foreign_keys, { checked: false, broken: [], not_checked_because: 'no file ran to its end.' });
  });

  test('wherever the failing statement stands, it is the one that is named', async () => {
    for (let at = 0; at < 5; at += 1) {
      const lines = Array.from({ length: 5 }, (_, index) => (index === at ? "INSERT INTO customers (email) VALUES ('a@x');" : `CREATE TABLE t${index} (id);`));
      const told = await fails({ '0001_x.sql': lines.join('\n') });
      assert.equal(told.files[0].problem.line, at + 1);
      assert.match(told.files[0].problem.message, /^UNIQUE constraint failed: customers\.email/);
    }
  });

  test('keys that are broken when the batch ends are no statement of it', async () => {
    const told = await fails({ '0001_x.sql': "PRAGMA defer_foreign_keys = on;\nINSERT INTO orders VALUES ('o-9', 99, 'x');\nCREATE TABLE t (id);" });
    assert.deepEqual(outcomes(told.files[0]), ['undone', 'undone', 'undone', 'undone']);
    assert.deepEqual([told.files[0].outcome, told.files[0].problem.line], ['failed', null]);
    assert.match(told.files[0].problem.message, /FOREIGN KEY constraint failed/);
  });

  test('what the gateway refuses is shown with its reason and remedy', async () => {
    const told = await fails({ '0001_x.sql': 'CREATE TABLE t (id);\nVACUUM;\n' });
    const { problem } = told.files[0];
    assert.deepEqual([told.files[0].outcome, problem.line, problem.code], ['refused', 2, 'statement_not_allowed']);
    assert.match(problem.remedy, /Leave it out/);
    const broken = await fails({ '0001_x.sql': 'CREATE TABLE t (id);\nCREAT TABLE u (id);' });
    assert.deepEqual([broken.files[0].problem.line, broken.files[0].problem.code], [2, 'sql_not_parsed']);
    const open = await fails({ '0001_x.sql': 'CREATE TABLE t (id)' });
    assert.match(open.files[0].warnings.join(), /semicolon/);
  });
});

describe('migrations that do more than they say', () => {
  test('rows that a cascade takes along', async () => {
    const told = await fails({ '0001_x.sql': 'DELETE FROM customers WHERE id = 1;' });
    assert.deepEqual(found(told.files[0]), [['unnamed_deletion', 'orders', 2, 1]]);
    assert.equal(told.files[0].outcome, 'done');
    assert.deepEqual(told.files[0].counts, [{ table: 'customers', before: 3, after: 2 }, { table: 'orders', before: 3, after: 1 }]);
    await passes({ '0001_x.sql': 'DELETE FROM customers WHERE id = 1;' }, { args: ['--accept', 'Orders'] });
    await passes({ '0001_x.sql': "DELETE FROM orders WHERE customer = 1;\nDELETE FROM customers WHERE id = 1;" });
  });

  test('a parent table that is made anew takes its children along', async () => {
    const told = await fails({ '0001_x.sql': "CREATE TABLE customers_new (id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT);\nINSERT INTO customers_new SELECT * FROM customers;\nDROP TABLE customers;\nALTER TABLE customers_new RENAME TO customers;" });
    assert.deepEqual(found(told.files[0]), [['unnamed_deletion', 'orders', 3, 3]]);
  });

  test('indexes and triggers that a table loses when it is made anew', async () => {
    await production.db.exec('CREATE INDEX payment_by_invoice ON payments (invoice); CREATE TRIGGER payments_stay BEFORE DELETE ON payments BEGIN SELECT 1; END');
    const anew = 'CREATE TABLE p2 (id INTEGER PRIMARY KEY, invoice TEXT, at TEXT);\nINSERT INTO p2 (id, invoice) SELECT id, invoice FROM payments;\nDROP TABLE payments;\nALTER TABLE p2 RENAME TO payments;\n';
    const told = await passes({ '0001_x.sql': anew });
    assert.deepEqual(told.files[0].warnings.filter((warning) => /anew/.test(warning)), ['payments is made anew without its index payment_by_invoice.', 'payments is made anew without its trigger payments_stay.']);
    const kept = await passes({ '0001_x.sql': `DROP TRIGGER payments_stay;\n${anew}CREATE INDEX payment_by_invoice ON payments (invoice);` });
    assert.deepEqual(kept.files[0].warnings.filter((warning) => /anew/.test(warning)), []);
  });

  test('a table that is made anew without some of its rows', async () => {
    const told = await fails({ '0001_x.sql': 'CREATE TABLE orders_new (id TEXT PRIMARY KEY, customer INTEGER, note TEXT);\nINSERT INTO orders_new SELECT o.id, o.customer, o.note FROM orders o JOIN customers c ON c.id = o.customer AND c.name IS NOT NULL;\nDROP TABLE orders;\nALTER TABLE orders_new RENAME TO orders;' });
    assert.deepEqual(found(told.files[0]), [['lost_on_the_way', 'orders', 1, 3]]);
    assert.match(told.files[0].findings[0].message, /id "o-2"/);
  });

  test('rows of a table that a trigger writes', async () => {
    const told = await fails({ '0001_x.sql': "UPDATE customers SET name = 'Cleo' WHERE id = 3;" });
    assert.deepEqual(found(told.files[0]), [['unnamed_change', 'audit', 1, 1]]);
    await passes({ '0001_x.sql': "UPDATE customers SET name = 'Cleo' WHERE id = 3;" }, { args: ['--accept', 'audit'] });
  });

  test('rows that REPLACE removes', async () => {
    const told = await fails({ '0001_x.sql': "INSERT OR REPLACE INTO invoices VALUES (2, 'I-1');" }, {});
    assert.deepEqual(found(told.files[0]).map(([code, table]) => [code, table]), [['unnamed_deletion', 'invoices']]);
  });

  test('foreign keys that fit nothing any more', async () => {
    const told = await fails({ '0001_x.sql': 'DROP INDEX invoice_number;' });
    assert.equal(told.files[0].passes, true);
    assert.deepEqual(told.foreign_keys.broken, ['payments (invoice) refers to invoices (number), which is neither its primary key nor unique: a write to payments fails.']);
    const gone = await fails({ '0001_x.sql': 'DELETE FROM payments;\nDROP TABLE invoices;' });
    assert.deepEqual(gone.foreign_keys.broken, ['payments (invoice) refers to invoices (number), which is not there: a write to payments fails.']);
  });

  test('what was broken before is no news', async () => {
    await production.db.exec('CREATE TABLE lost (id INTEGER PRIMARY KEY, nowhere INTEGER REFERENCES gone (id));');
    assert.deepEqual((await passes({ '0001_x.sql': 'CREATE TABLE t (id);' })).foreign_keys.broken, []);
    await production.db.exec('DROP TABLE lost');
  });

  test('new NULLs and statements without WHERE are warnings', async () => {
    const told = await passes({ '0001_x.sql': "UPDATE orders SET note = nullif(note, 'first');" });
    assert.deepEqual(told.files[0].new_nulls, [{ table: 'orders', column: 'note', nulls: 1, rows: 3, in_part: false }]);
    assert.match(told.files[0].warnings.join('\n'), /line 1: UPDATE orders has no WHERE[^]*orders\.note had no NULL before/);
    const renamed = await passes({ '0001_x.sql': 'ALTER TABLE orders RENAME TO purchases;\nUPDATE purchases SET note = NULL WHERE customer = 3;\nALTER TABLE customers RENAME COLUMN name TO full_name;' });
    assert.deepEqual(renamed.files[0].new_nulls, [{ table: 'purchases', column: 'note', nulls: 1, rows: 3, in_part: false }]);
  });
});

describe('tables that are larger than what is copied whole', () => {
  const many = 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)';
  beforeEach(() => production.db.exec(`${many} INSERT INTO invoices SELECT i + 10, 'N-' || i FROM n;`));

  test('are counted from what changed, and long statements are pointed out', async () => {
    const told = await passes({ '0001_x.sql': "DELETE FROM invoices WHERE id = 20;\nUPDATE invoices SET number = NULL WHERE id = 21;\nCREATE INDEX by_number ON invoices (number);" });
    assert.deepEqual(told.files[0].counts, [{ table: 'invoices', before: 12001, after: 12000 }]);
    assert.deepEqual(told.files[0].new_nulls, [{ table: 'invoices', column: 'number', nulls: 1, rows: 12000, in_part: false }]);
    assert.match(told.files[0].warnings.join(), /line 3: CREATE invoices goes through 12000 rows/);
  });
});

describe('how it is asked and how it answers', () => {
  test('Markdown for a job summary, with code spans that no name can leave', async () => {
    const said = await rehearse({ '0001_`x`.sql': 'CREATE TABLE "a|b" (id);\nDELETE FROM customers;' }, { args: ['--markdown'], json: false });
    assert.equal(said.code, 1);
    assert.match(said.stdout, /^## Migrations rehearsed against production \(`DB`\)\n\n\*\*Would NOT pass/);
    assert.match(said.stdout, /### ❌ ``0001_`x`\.sql``/);
    assert.match(said.stdout, /\| 1 \| `CREATE TABLE "a\\\|b" \(id\)` \| done \| `new table a\\\|b` \|/);
  });

  test('the report that it names can be opened, and is that of a dry run', async () => {
    const told = await passes({ '0001_x.sql': 'CREATE TABLE t (id);' });
    const report = (await production.api(`/v1/runs/${told.run}/report`, { key: 'approver' })).json;
    assert.deepEqual([report.run.mode, report.run.phase, report.summary.live_writes], ['dry_run', 'closed', 0]);
  });

  test('the environment is that of DRYRUN_ENV, or the one that is named', async () => {
    const folder = migrations({ '0001_x.sql': 'CREATE TABLE t (id);' });
    const environment = async (args, env) => (await project.run(['rehearse', folder, '--json', ...args], { env })).json.environment;
    assert.equal(await environment([], {}), 'staging');
    assert.equal(await environment([], { DRYRUN_ENV: 'production' }), 'production');
    assert.equal(await environment(['--from', 'staging'], { DRYRUN_ENV: 'production' }), 'staging');
  });

  test('a store that does not answer is no verdict, and no run stays open', async () => {
    await production.fault('DB', null, '503');
    const said = await project.run(['rehearse', migrations({ '0001_x.sql': 'CREATE TABLE t (id);' }), '--from', 'production']);
    await production.heal('DB');
    assert.deepEqual([said.code, said.stdout], [4, ''], said.stderr);
    const { runs } = (await production.api('/v1/runs', { key: 'agent' })).json;
    assert.deepEqual(runs.filter(({ closed_at: closed }) => closed === null), []);
  });

  test('what is not there is said, and nothing is run', async () => {
    const before = (await production.api('/v1/runs', { key: 'agent' })).json.runs.length;
    for (const [args, code, words] of [
      [[path.join(project.folder, 'nowhere')], 2, /cannot be read.*Nothing was run/],
      [[migrations({})], 2, /no \.sql files/],
      [[migrations({ '0001_x.sql': '' }), '--database', 'OTHER'], 2, /has no database OTHER/],
    ]) {
      const said = await project.run(['rehearse', '--from', 'production', ...args]);
      assert.deepEqual([said.code, words.test(said.stderr)], [code, true], said.stderr);
    }
    assert.equal((await production.api('/v1/runs', { key: 'agent' })).json.runs.length, before);
    const { code, json } = await rehearse({ '0001_x.sql': 'SELECT 1;' }, { args: ['--table', 'orders'] });
    assert.deepEqual([code, json.error.code], [2, 'no_record']);
  });
});

describe('wrangler itself, afterwards', () => {
  const wrangler = (folder, token) =>
    new Promise((resolve) => {
      const config = path.join(folder, 'wrangler.json');
      writeFileSync(config, JSON.stringify({ name: 'x', compatibility_date: '2026-01-01', d1_databases: [{ binding: 'DB', database_name: 'support-desk-staging', database_id: '5d0a3a52-6f0e-4c0b-9d57-1f4f2f0c6a01', migrations_dir: '.' }] }));
      const env = { ...project.env, CLOUDFLARE_API_BASE_URL: `${staging.url}/client/v4`, CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_ACCOUNT_ID: 'local' };
      execFile(path.join(projectFolder, 'node_modules/.bin/wrangler'), ['d1', 'migrations', 'apply', 'DB', '--remote', '--config', config], { env, cwd: folder }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, text: stdout + stderr }));
    });

  test('applies what the rehearsal passed, and stops where the rehearsal stopped', async () => {
    await staging.db.exec(rows);
    const folder = migrations({
      '0001_teams.sql': "CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT); -- teams\nINSERT INTO teams VALUES (1, 'it''s; vip');\n",
      '0002_note.sql': "UPDATE orders SET note = 'none' WHERE note IS NULL;\nDELETE FROM payments WHERE id = 1;",
      '0003_bad.sql': 'CREATE TABLE half (id);\nALTER TABLE customers ADD COLUMN team INTEGER NOT NULL;',
      '0004_never.sql': 'CREATE TABLE never (id);',
    });
    const told = (await rehearse(folder, { gateway: staging })).json;
    assert.deepEqual(told.files.map(({ outcome }) => outcome), ['done', 'done', 'failed', 'not_run']);
    const live = await openRun(staging, { mode: 'live' });
    const { code, text } = await wrangler(folder, live.token);
    await staging.api(`/v1/runs/${live.id}/close`, { key: 'agent', json: {} });
    assert.equal(code, 1, text);
    const { message } = told.files[2].problem;
    assert.ok(text.includes(message.replace(/: SQLITE_ERROR$/, '')), `${message} is not in ${text}`);
    const applied = (await staging.db.all('SELECT name FROM d1_migrations ORDER BY id')).map(({ name }) => name);
    assert.deepEqual(applied, ['0001_teams.sql', '0002_note.sql']);
    assert.deepEqual(await staging.db.all("SELECT name FROM sqlite_master WHERE name IN ('half', 'never')"), []);
    assert.deepEqual(await staging.db.all('SELECT name FROM teams'), [{ name: "it's; vip" }]);
    // What is pending now is what stopped both.
    const again = (await rehearse(folder, { gateway: staging })).json;
    assert.deepEqual([again.applied, again.files.map(({ name, outcome }) => [name, outcome])], [applied, [['0003_bad.sql', 'failed'], ['0004_never.sql', 'not_run']]]);
    await staging.db.exec('DROP TABLE teams');
  });
});
