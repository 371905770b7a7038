// Two environments side by side: each kind of difference is told, and what only looks different is not.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { environmentSettings } from '../e2e/harness/settings.mjs';
import { makeProject, twoEnvironments } from './helpers.mjs';

let staging;
let production;
let project;
let stop;
before(async () => void ({ staging, production, project, stop } = await twoEnvironments()));
after(() => stop?.());

afterEach(async () => {
  for (const { db } of [staging, production]) {
    const left = await db.all("SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view') AND sql NOT NULL AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'words\\_%' ESCAPE '\\'");
    await db.exec(`PRAGMA defer_foreign_keys = on; ${left.map(({ type, name }) => `DROP ${type} "${name}";`).join(' ')}`);
  }
});

/** Makes both sides, compares them, and makes sure that nothing is written and no run stays open. */
async function drift(here, there, args = ['--json']) {
  for (const [gateway, sql] of [[staging, here], [production, there]]) if (sql) await gateway.db.exec(sql);
  const untouched = await Promise.all([staging.digest(), production.digest()]);
  const said = await project.run(['drift', ...args]);
  assert.deepEqual(await Promise.all([staging.digest(), production.digest()]), untouched);
  for (const gateway of [staging, production]) {
    const { runs } = (await gateway.api('/v1/runs', { key: 'agent' })).json;
    assert.deepEqual(runs.filter(({ closed_at: closed, mode }) => closed === null || mode !== 'dry_run'), []);
  }
  return said;
}

async function equal(here, there) {
  const said = await drift(here, there);
  const [only, ...more] = said.json?.databases ?? [];
  assert.deepEqual([said.code, said.json?.equal, only?.database, only?.differences, more], [0, true, 'DB', [], []], said.stdout + said.stderr);
}

/** The one difference. */
async function differ(here, there) {
  const said = await drift(here, there);
  const [only] = said.json?.databases ?? [];
  assert.deepEqual([said.code, said.json?.equal, only?.differences?.length], [1, false, 1], said.stdout + said.stderr);
  const { kind, name, change, details, diff, columns } = only.differences[0];
  return { what: `${change} ${kind} ${name}`, details, diff, columns };
}

describe('no difference', () => {
  test('empty sides', () => equal('', ''));

  test('blanks, comments, quotes, capitals and the way in which it came about', () =>
    equal(
      `CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL DEFAULT 'a  b', age INT CHECK (age > 0));
       CREATE INDEX by_email ON users (email); CREATE VIEW adults AS SELECT id FROM users WHERE age >= 18;
       CREATE TABLE posts (id INTEGER PRIMARY KEY, "user" INTEGER REFERENCES users (id) ON DELETE CASCADE);
       CREATE TRIGGER touched AFTER INSERT ON users BEGIN UPDATE users SET age = 1 WHERE id = new.id; END;`,
      `create table "people" (\n  [id] integer primary key, -- the id\n  \`email\` text NOT NULL default 'a  b'\n);
       ALTER TABLE people ADD COLUMN age int check(age>0); ALTER TABLE people RENAME TO users;
       CREATE INDEX IF NOT EXISTS "by_email" on "users"("email"); CREATE VIEW adults AS\n  select "id"\n  from users /* grown */ where age>=18;
       CREATE TABLE posts ("id" INTEGER PRIMARY KEY, user INTEGER REFERENCES "users"("id") ON DELETE CASCADE);
       CREATE TRIGGER touched AFTER INSERT ON users\nBEGIN\n  UPDATE users SET age = 1 WHERE id = new.id;\nEND;`,
    ));
});

describe('each kind of difference', () => {
  test('a table that only staging has', async () => {
    const { what, diff } = await differ('CREATE TABLE a (id INTEGER PRIMARY KEY, b TEXT)', '');
    assert.deepEqual([what, diff], ['only_in_from table a', ['+ CREATE TABLE a(', '+   id INTEGER PRIMARY KEY,', '+   b TEXT', '+ )']]);
  });

  test('a table that only production has', async () => {
    assert.equal((await differ('', 'CREATE TABLE a (id)')).what, 'only_in_to table a');
  });

  const pairs = {
    'a column more': ['CREATE TABLE t (a, b TEXT)', 'CREATE TABLE t (a)', /^\+ column b TEXT$/],
    'a column less': ['CREATE TABLE t (a)', 'CREATE TABLE t (a, b TEXT NOT NULL)', /^- column b TEXT NOT NULL$/],
    'a type': ['CREATE TABLE t (a TEXT)', 'CREATE TABLE t (a INTEGER)', /^column a: \+ a TEXT · - a INTEGER$/],
    'NOT NULL': ['CREATE TABLE t (a TEXT NOT NULL)', 'CREATE TABLE t (a TEXT)', /^column a: \+ a TEXT NOT NULL · - a TEXT$/],
    'a default': ["CREATE TABLE t (a DEFAULT 'x')", "CREATE TABLE t (a DEFAULT 'X')", /^column a: \+ a DEFAULT 'x' · - a DEFAULT 'X'$/],
    'a primary key': ['CREATE TABLE t (a, b, PRIMARY KEY (a, b))', 'CREATE TABLE t (a, b, PRIMARY KEY (b, a))', /^column a: .*PRIMARY KEY \(1\)/],
    'a generated column': ['CREATE TABLE t (a, b AS (a + 1) STORED)', 'CREATE TABLE t (a, b AS (a + 1))', /GENERATED STORED/],
    'the order of columns': ['CREATE TABLE t (a, b)', 'CREATE TABLE t (b, a)', /^order of columns: \+ a, b · - b, a$/],
    'the spelling of a column, by which rows are read': ['CREATE TABLE t (userId)', 'CREATE TABLE t (userid)', /^column userId: /],
    'a foreign key': ['CREATE TABLE t (id INTEGER PRIMARY KEY, a REFERENCES t (id) ON DELETE CASCADE)', 'CREATE TABLE t (id INTEGER PRIMARY KEY, a REFERENCES t (id))', /^\+ foreign key \(a\) REFERENCES t \(id\) ON DELETE CASCADE$/],
    STRICT: ['CREATE TABLE t (a TEXT) STRICT', 'CREATE TABLE t (a TEXT)', /^\+ option STRICT$/],
    'WITHOUT ROWID': ['CREATE TABLE t (a TEXT PRIMARY KEY NOT NULL)', 'CREATE TABLE t (a TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID', /^- option WITHOUT ROWID$/],
    'a check': ['CREATE TABLE t (a CHECK (a > 0))', 'CREATE TABLE t (a CHECK (a > 1))', /says something else/],
    'a collation': ['CREATE TABLE t (a TEXT COLLATE NOCASE)', 'CREATE TABLE t (a TEXT)', /says something else/],
  };
  for (const [name, [here, there, detail]] of Object.entries(pairs)) {
    test(name, async () => {
      const { what, details, diff } = await differ(here, there);
      assert.equal(what, 'different table t');
      assert.match(details[0], detail);
      // A name that is only spelled in another way is told by itself.
      assert.equal(diff.some((line) => /^[+-] /.test(line)), !name.startsWith('the spelling'), diff.join('\n'));
    });
  }

  const things = 'CREATE TABLE t (a, b); ';
  const parts = {
    'an index': ['CREATE INDEX i ON t (a)', 'CREATE INDEX i ON t (b)', 'index i'],
    'a unique index': ['CREATE UNIQUE INDEX i ON t (a)', 'CREATE INDEX i ON t (a)', 'index i'],
    'a partial index': ['CREATE INDEX i ON t (a) WHERE b > 1', 'CREATE INDEX i ON t (a)', 'index i'],
    'a view': ['CREATE VIEW v AS SELECT a FROM t', 'CREATE VIEW v AS SELECT a FROM t WHERE b = 1', 'view v'],
    'a trigger': ['CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = 1; END', 'CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = 2; END', 'trigger g'],
  };
  for (const [name, [here, there, what]] of Object.entries(parts)) {
    test(`${name}, changed and missing`, async () => {
      assert.equal((await differ(things + here, things + there)).what, `different ${what}`);
      await production.db.exec(`DROP ${what}`);
      assert.equal((await differ('', '')).what, `only_in_from ${what}`);
    });
  }

  test('a full-text table is one thing, not its inner tables', async () => {
    assert.equal((await differ('CREATE VIRTUAL TABLE words USING fts5(text)', '')).what, 'only_in_from table words');
  });

  test('several at once, tables first, as a diff for people and as Markdown', async () => {
    const said = await drift('CREATE TABLE `a``b` (id, name TEXT); CREATE INDEX i ON `a``b` (id); CREATE TABLE same (x)', 'CREATE TABLE `a``b` (id, name); CREATE TABLE same (x)', []);
    assert.equal(said.code, 1);
    assert.match(said.stdout, /^2 differences between staging \(\+\) and production \(-\)\.\n\ntable a`b: different\n[^]*\n {2}- {3}name\n {2}\+ {3}name TEXT\n[^]*\nindex i on a`b: only in staging\n {2}\+ CREATE INDEX i/);
    const { code, stdout } = await drift('', '', ['--markdown']);
    assert.equal(code, 1);
    assert.match(stdout, /^## Schema drift\n\n\*\*2 differences[^]*### ``table a`b: different``\n[^]*\n```diff\n[^]*\n\+ {3}name TEXT\n[^]*```\n/);
  });
});

describe('the level of migrations', () => {
  const record = (...names) => `CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL); ${names.map((name) => `INSERT INTO d1_migrations (name) VALUES ('${name}');`).join(' ')}`;

  test('the same migrations on both sides are no difference, whenever they were applied', async () => {
    await staging.db.exec(record('1.sql', '2.sql'));
    await equal('', `${record('1.sql', '2.sql')} UPDATE d1_migrations SET applied_at = '2020-01-01', id = id + 10`);
  });

  test('pending, missing and out of order', async () => {
    const said = await drift(record('1.sql', '2.sql', '3.sql', '4.sql'), record('1.sql', '3.sql', 'hotfix.sql'));
    const [{ differences, migrations }] = said.json.databases;
    const { pending, missing, out_of_order: odd, from, to } = migrations;
    assert.deepEqual([said.code, differences, pending, missing], [1, [], ['2.sql', '4.sql'], ['hotfix.sql']]);
    assert.deepEqual(odd, ['2.sql is pending, but 3.sql, which came after it, is applied.']);
    assert.deepEqual([from.length, to.length], [4, 3]);
    assert.match((await drift('', '', [])).stdout, /^staging and production have the same schema, but not the same migrations\.[^]*pending in production: 2\.sql\n[^]*only in production: hotfix\.sql/);
  });

  test('a side without any record', async () => {
    const said = await drift(record('1.sql'), '');
    const [{ migrations }] = said.json.databases;
    assert.deepEqual([said.code, migrations.pending, migrations.to], [1, ['1.sql'], null]);
  });
});

describe('what cannot be compared', () => {
  test('is said, with what to do, and exit codes of their own', async () => {
    const alone = makeProject({ staging: { url: staging.url, key: staging.keys.agent } });
    const crossed = makeProject({ staging: { url: production.url, key: staging.keys.agent }, production: { url: production.url, key: production.keys.agent } });
    try {
      for (const [place, args, code, words] of [
        [alone, [], 3, /no \[production\]/],
        [project, ['--from', 'staging', '--to', 'staging'], 2, /Both sides are staging/],
        [project, ['--database', 'OTHER'], 2, /no database OTHER/],
        [crossed, [], 4, /says that it is production, not staging/],
      ]) {
        const said = await place.run(['drift', ...args]);
        assert.deepEqual([said.code, words.test(said.stderr)], [code, true], said.stderr);
      }
    } finally {
      alone.remove();
      crossed.remove();
    }
  });
});

describe('any number of databases', () => {
  const pairs = [];
  const folders = [];
  after(async () => {
    folders.forEach((each) => each.remove());
    await Promise.all(pairs.flat().map((gateway) => gateway.stop()));
  });

  /** Two gateways with these databases besides (or, with `vars`, these stores), and drift between them. */
  async function between(here, there) {
    const pair = await Promise.all([['staging', here], ['production', there]].map(([environment, options]) => startGateway({ environment, proxied: false, ...options })));
    pairs.push(pair);
    const [one, other] = pair;
    const place = makeProject({ staging: { url: one.url, key: one.keys.agent }, production: { url: other.url, key: other.keys.agent } });
    folders.push(place);
    return { one, other, drift: (...args) => place.run(['drift', ...args]) };
  }
  const stores = (environment, change) => {
    const { STORES } = environmentSettings(environment).vars;
    const changed = structuredClone(STORES);
    change(changed);
    return { vars: { STORES: changed } };
  };
  const runsOf = async (gateway) => (await gateway.api('/v1/runs', { key: 'agent' })).json.runs;

  test('all of them are compared, by binding, in one closed dry run on each side', async () => {
    const { one, other, drift } = await between({ databases: ['AUDIT'] }, { databases: ['AUDIT'] });
    await one.audit.exec('CREATE TABLE entries (id INTEGER PRIMARY KEY, who TEXT)');
    await other.audit.exec('CREATE TABLE entries (id INTEGER PRIMARY KEY)');
    const said = await drift('--json');
    assert.equal(said.code, 1, said.stderr);
    assert.deepEqual(said.json.databases.map(({ database, equal, differences }) => [database, equal, differences.length]), [['AUDIT', false, 1], ['DB', true, 0]]);
    for (const gateway of [one, other]) {
      const runs = await runsOf(gateway);
      assert.deepEqual(runs.map(({ mode, closed_at: closed }) => [mode, closed !== null]), [['dry_run', true]]);
    }
    assert.match((await drift()).stdout, /^1 of 2 databases differ between staging \(\+\) and production \(-\)\.\n\nAUDIT: 1 difference [^]*table entries: different\n[^]*\nDB: staging and production have the same schema and the same migrations\.\n/);
    assert.match((await drift('--markdown')).stdout, /^## Schema drift\n\n\*\*1 of 2 databases[^]*### `AUDIT`\n[^]*#### `table entries: different`[^]*### `DB`\n/);
    await other.audit.exec('ALTER TABLE entries ADD COLUMN who TEXT');
    const equal = await drift();
    assert.deepEqual([equal.code, equal.stdout.split('\n')[0]], [0, 'All 2 databases of staging and production have the same schema and the same migrations.'], equal.stdout);
    await one.audit.exec('DROP TABLE entries');
    // One that is named, by its binding or by what either side calls it.
    for (const [name, code] of [['DB', 0], ['AUDIT', 1], [environmentSettings('staging').vars.STORES.DB.name, 0], [environmentSettings('production').vars.STORES.DB.id, 0], ['audit-database', 1]]) {
      const only = await drift('--json', '--database', name);
      assert.deepEqual([only.code, only.json.databases.length], [code, 1], `${name}: ${only.stderr}`);
    }
    const none = await drift('--database', 'OTHER');
    assert.deepEqual([none.code, /no database OTHER[^]*AUDIT, DB/.test(none.stderr)], [2, true], none.stderr);
  });

  test('one that only one side has is named, and the others are compared', async () => {
    const { drift } = await between({ databases: ['AUDIT'] }, { databases: ['LEDGER'] });
    const said = await drift('--json');
    assert.deepEqual([said.code, said.json.only_in_from, said.json.only_in_to, said.json.databases.map(({ database }) => database)], [1, ['AUDIT'], ['LEDGER'], ['DB']], said.stderr);
    assert.match((await drift()).stdout, /^2 of 3 databases differ[^]*\nAUDIT: only in staging\n\nLEDGER: only in production\n\nDB: staging and/);
    const named = await drift('--json', '--database', 'AUDIT');
    assert.deepEqual([named.code, named.json.only_in_from, named.json.databases], [1, ['AUDIT'], []]);
  });

  test('one that may not be read is not said to be equal', async () => {
    const { drift } = await between({}, stores('production', ({ DB }) => { DB.policy = 'denied'; }));
    const said = await drift('--json');
    assert.deepEqual([said.code, said.json.equal, said.json.not_compared], [1, false, [{ database: 'DB', denied_in: 'production' }]], said.stderr);
    assert.match((await drift()).stdout, /could not be compared\.\n\nDB: not compared, because its policy in production is denied\n$/);
  });

  test('none on either side is nothing to compare, and none on one side is a difference', async () => {
    const without = (environment) => stores(environment, (all) => { delete all.DB; });
    const nowhere = await between(without('staging'), without('production'));
    const said = await nowhere.drift();
    assert.deepEqual([said.code, said.stdout], [0, 'Neither staging nor production has a D1 database: there is nothing to compare.\n'], said.stderr);
    assert.deepEqual(await runsOf(nowhere.one), []);
    const half = await between({}, without('production'));
    assert.deepEqual([(await half.drift('--json')).json.only_in_from, (await half.drift()).code], [['DB'], 1]);
  });
});
