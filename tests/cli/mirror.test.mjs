import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { until } from '../e2e/helpers.mjs';
import { makeProject } from './helpers.mjs';
import { between } from './mirror/between.mjs';
import { definitionsOf, digestOf, fillProduction, linesOf, schema, scrubToml, tablesOf } from './mirror/fixture.mjs';

const words = ['mirror', '--from', 'production', '--to', 'staging'];
const isSelect = ({ sql }) => /^SELECT\b/.test(sql) && !/;\s*\S/.test(sql.replace(/'(?:[^']|'')*'/g, "''"));

/** A project with both gateways, perhaps reached through something in between, and a scrub.toml. */
function projectOf(production, staging, { from = production, to = staging, toml = scrubToml } = {}) {
  const project = makeProject({ production: { url: from.url, key: production.keys.agent }, staging: { url: to.url, key: staging.keys.agent } });
  writeFileSync(path.join(project.folder, 'scrub.toml'), toml);
  const state = path.join(project.folder, '.dryrun-mirror.json');
  const mirror = (...more) => project.start([...words, '--scrub', 'scrub.toml', ...more]);
  return { ...project, stateFile: state, state: () => JSON.parse(readFileSync(state, 'utf8')), mirror, ended: (...more) => mirror(...more).ended };
}

function succeeded({ code, stdout, stderr, json }) {
  assert.equal(code, 0, stderr + stdout.slice(0, 2000));
  return json;
}

/** Tables that need no others, to mirror again and again after everything was. */
const some = ['--tables', 'storage,people,accounts,settings,pairs,log'];

/** What of a table may differ, by the rules of the fixture. */
const scrubbed = { customers: ['email', 'name', 'phone'], orders: ['customer_email'], accounts: ['email'], settings: ['document'] };

async function sameButScrubbed(production, staging) {
  const tables = await tablesOf(production.db);
  assert.deepEqual((await tablesOf(staging.db)).map(({ name }) => name), tables.map(({ name }) => name));
  for (const table of tables) {
    const compared = table.name === 'accounts' ? { ...table, order: 'balance' } : table;
    const [wanted, got] = await Promise.all([production.db, staging.db].map((db) => linesOf(db, compared, scrubbed[table.name])));
    assert.equal(got.length, wanted.length, table.name);
    const different = wanted.findIndex((line, place) => line !== got[place]);
    assert.equal(different, -1, `${table.name}: ${wanted[different]?.slice(0, 300)} is ${got[different]?.slice(0, 300)}`);
  }
  assert.deepEqual(await definitionsOf(staging.db), await definitionsOf(production.db));
}

describe('a mirror of 24 tables and 100,000 rows', () => {
  let production, staging, untouched;
  before(async () => {
    [production, staging] = await Promise.all([startGateway({ environment: 'production' }), startGateway({ environment: 'staging' })]);
    await fillProduction(production.db);
    untouched = await digestOf(production.db);
  });
  after(() => Promise.all([production.stop(), staging.stop()]));

  test('copies every value exactly, scrubs what is personal, and writes nothing to production', async () => {
    // Staging has the schema but three tables, other rows, and triggers that would write or refuse.
    for (const sql of schema.filter((sql) => !/\b(pairs|wide|spent)\b/.test(sql))) await staging.db.exec(sql);
    await staging.db.exec(`INSERT INTO customers (id, email) VALUES (5, 'left@over.example.org'), (99999, 'old@x.example.org'); INSERT INTO orders VALUES (7, 99999, NULL, 1);
      INSERT INTO people VALUES (1, 1, 'x'); INSERT INTO nodes VALUES (1, 1), (2, 1); INSERT INTO teams VALUES (1, NULL, 'x'); INSERT INTO members VALUES (3, 1, 'y'); UPDATE teams SET lead = 3`);
    production.recorder.clear();
    const project = projectOf(production, staging);
    const said = succeeded(await project.ended('--json'));

    await sameButScrubbed(production, staging);
    assert.equal(said.tables.length, 23);
    assert.ok(said.rows > 100_000, String(said.rows));
    for (const { name, rows } of said.tables) {
      const [{ count }] = await production.db.all(`SELECT count(*) AS count FROM "${name.replaceAll('"', '""')}"`);
      assert.equal(rows, count, name);
    }
    assert.deepEqual(said.moved, []);
    assert.deepEqual(said.changes.made.filter((what) => !what.startsWith('trigger')).sort(), ['table pairs', 'table wide', 'view spent']);
    assert.ok(said.bytes > 5_000_000 && said.seconds > 0 && said.requests.source > 20 && said.requests.target > 20);
    assert.ok(!existsSync(project.stateFile), 'a mirror that is complete leaves no state');

    assert.equal(await digestOf(production.db), untouched);
    const asked = production.recorder.requests.filter(({ store }) => store === 'DB');
    assert.ok(asked.length > 20);
    assert.deepEqual(asked.flatMap(({ statements }) => statements).filter((statement) => !isSelect(statement)), []);
    const runs = (await production.api('/v1/runs', { key: 'operator' })).json.runs;
    assert.deepEqual(runs.map(({ mode, closed_at: closed, labels }) => [mode, closed > 0, labels.command]), [['dry_run', true, 'mirror']]);
    project.remove();
  });

  test('keeps joins and unique values, and lets no value through', async () => {
    const [{ all, joined, kept, cases }] = await staging.db.all(`SELECT (SELECT count(DISTINCT email) FROM customers) AS all_of_them,
      (SELECT count(*) FROM orders JOIN customers ON customers.email = customer_email AND customers.id = customer) AS joined,
      (SELECT count(*) FROM orders WHERE customer_email IS NOT NULL) AS kept, (SELECT count(*) FROM customers WHERE email <> lower(email)) AS cases`).then((rows) => rows.map((row) => ({ ...row, all: row.all_of_them })));
    assert.deepEqual([all, joined, kept, cases], [20_000, 15_000, 15_000, 6_666]);
    const [leaks] = await staging.db.all(`SELECT (SELECT count(*) FROM customers WHERE email LIKE '%example.org' OR name LIKE 'Person%' OR phone LIKE '+49%') +
      (SELECT count(*) FROM accounts WHERE email LIKE '%example.org') + (SELECT count(*) FROM settings WHERE document LIKE '%example.org%') + (SELECT count(*) FROM orders WHERE customer_email LIKE '%example.org') AS count`);
    assert.equal(leaks.count, 0);
    // The same address is the same one in another table, also inside of JSON.
    const [{ email, document }] = await staging.db.all(`SELECT (SELECT email FROM customers WHERE id = 7) AS email, (SELECT document FROM settings WHERE id = 7) AS document`);
    assert.deepEqual(JSON.parse(document), { contact: { email }, theme: 'dark', n: 7.5 });
  });

  test('goes on after kill -9, again and again, and loses and doubles nothing', async () => {
    // Each time right after a write was carried out, and before the command could know or remember it.
    const written = ['DROP TRIGGER', 'DELETE FROM \\"people\\" WHERE (', 'INSERT INTO \\"order_lines\\"', 'INSERT INTO \\"people\\"', 'INSERT INTO \\"accounts\\"', 'INSERT INTO \\"log\\"',
      'UPDATE \\"people\\" SET \\"boss\\" = mirrored', 'INSERT INTO sqlite_sequence', 'CREATE TRIGGER'];
    let running, waiting;
    const to = await between(staging, ({ body }) => {
      if (waiting === undefined || !body.includes(waiting)) return undefined;
      waiting = undefined;
      return (answer) => {
        running.child.kill('SIGKILL');
        return answer;
      };
    });
    const project = projectOf(production, staging, { to });
    for (const [round, write] of written.entries()) {
      waiting = write;
      running = project.mirror(...(round > 0 ? ['--resume'] : []));
      assert.equal((await running.ended).signal, 'SIGKILL', `${write}: ${running.stderr}`);
    }
    assert.equal(statSync(project.stateFile).mode & 0o777, 0o600);
    const unfinished = await project.ended();
    assert.equal(unfinished.code, 2);
    assert.match(unfinished.stderr, /--resume.*--restart/);
    succeeded(await project.ended('--resume'));
    await sameButScrubbed(production, staging);
    assert.equal(await digestOf(production.db), untouched);
    await to.stop();
    project.remove();
  });

  test('sends again what got no answer, and writes it once', async () => {
    const cuts = { before: 0, after: 0 };
    const meddle = (kind) => ({ path: asked, number }) => {
      if (!asked.endsWith('/raw') || number % 7 !== 3) return undefined;
      const how = (cuts.before + cuts.after) % 2 === 0 ? 'before' : 'after';
      cuts[how] += 1;
      return kind === 'any' ? how : undefined;
    };
    const [from, to] = await Promise.all([between(production, meddle('any')), between(staging, meddle('any'))]);
    const project = projectOf(production, staging, { from, to });
    succeeded(await project.ended('--json', ...some));
    assert.ok(cuts.before > 5 && cuts.after > 5, JSON.stringify(cuts));
    await sameButScrubbed(production, staging);
    await Promise.all([from.stop(), to.stop()]);
    project.remove();
  });

  test('stops when the gateway is gone, says so, and goes on when it is back', async () => {
    const gone = { now: false };
    let writes = 0;
    const to = await between(staging, ({ body }) => {
      if (body.includes('INSERT INTO \\"log\\"')) writes += 1;
      gone.now ||= writes === 2;
      return gone.now ? 'before' : undefined;
    });
    const project = projectOf(production, staging, { to });
    const { code, stderr } = await project.ended(...some);
    assert.equal(code, 5, stderr);
    assert.match(stderr, /staging gateway at .* did not answer/);
    assert.match(stderr, /set aside \(storage_is_closed\).*--resume/s);
    assert.deepEqual(await staging.db.all(`SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'storage'`), []);
    gone.now = false;
    writes = 100;
    succeeded(await project.ended('--resume', ...some));
    await sameButScrubbed(production, staging);
    await to.stop();
    project.remove();
  });

  test('Ctrl-C ends it between two requests, with the triggers back', async () => {
    const project = projectOf(production, staging);
    const running = project.mirror('--json', ...some);
    await until(() => existsSync(project.stateFile) && project.state().tables.people?.rows > 0, 'people are begun', { patience: 120_000 });
    running.child.kill('SIGINT');
    const { code, json } = await running.ended;
    assert.deepEqual([code, json.error.code], [1, 'interrupted']);
    assert.match(json.error.remedy, /triggers.*are there again.*--resume/);
    assert.equal((await staging.db.all(`SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'storage'`)).length, 1);
    succeeded(await project.ended('--resume', ...some));
    await sameButScrubbed(production, staging);
    project.remove();
  });

  test('finds a row that somebody changed on the target, and names its table', async () => {
    const project = projectOf(production, staging);
    const running = project.mirror(...some);
    await until(() => existsSync(project.stateFile) && project.state().tables.people?.filled, 'people are done', { patience: 120_000 });
    running.child.kill('SIGKILL');
    await running.ended;
    await staging.db.exec(`UPDATE people SET title = 'tampered' WHERE id = 250; UPDATE accounts SET email = 'holder7919@bank.example.org' WHERE balance = 5 / 7.0`);
    const { code, json, stderr } = await project.ended('--resume', '--json', ...some);
    assert.equal(code, 1, stderr);
    assert.match(json.error.message, /people: the target has other values where 6000 rows were copied/);
    assert.match(json.error.message, /accounts: a value of the source is still in the column email/);
    assert.doesNotMatch(json.error.message, /log|holder/);
    succeeded(await project.ended('--restart', ...some));
    await sameButScrubbed(production, staging);
    project.remove();
  });
});

describe('what a mirror refuses, and says', () => {
  let production, staging;
  before(async () => {
    [production, staging] = await Promise.all([startGateway({ environment: 'production' }), startGateway({ environment: 'staging' })]);
  });
  after(() => Promise.all([production.stop(), staging.stop()]));

  /** Fresh databases of a few tables; `sql` for both, then rows for production. */
  async function fresh(sql, rows = '', other = sql) {
    for (const [db, statements] of [[production.db, `${sql}; ${rows}`], [staging.db, other]]) {
      const objects = await db.all(`SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND type IN ('table', 'view') AND name NOT LIKE 'words\\_%' ESCAPE '\\' ORDER BY type DESC`);
      await db.exec(`PRAGMA defer_foreign_keys = on; ${objects.map(({ type, name }) => `DROP ${type} "${name}"`).join('; ') || 'SELECT 1'}`);
      await db.exec(`${statements}; SELECT 1`);
    }
    production.recorder.clear();
    staging.recorder.clear();
  }
  const writesTo = (gateway) => gateway.recorder.requests.filter(({ store }) => store === 'DB').flatMap(({ statements }) => statements).filter((statement) => !isSelect(statement));
  const nothingWritten = () => assert.deepEqual([...writesTo(production), ...writesTo(staging)], []);
  const people = 'CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT, city TEXT, note TEXT)';

  test('is never written to production, nor to where it reads from', async () => {
    await fresh(people);
    const project = projectOf(production, staging);
    for (const args of [['--from', 'staging', '--to', 'production'], ['--from', 'production', '--to', 'production', '--resume'], ['--from', 'staging', '--to', 'production', '--dry-run']]) {
      const { code, json } = await project.run(['mirror', ...args, '--json']);
      assert.deepEqual([code, json.error.code], [4, 'never_to_production']);
    }
    assert.equal((await project.run(['mirror', '--from', 'staging', '--to', 'staging'])).code, 2);
    const crossed = makeProject({ production: { url: `${production.url}/`, key: production.keys.agent }, staging: { url: production.url, key: staging.keys.agent } });
    assert.equal((await crossed.run([...words, '--json'])).json.error.code, 'same_side');
    // A production gateway under the name of staging says where it is.
    const alias = await between(production);
    const disguised = makeProject({ production: { url: production.url, key: production.keys.agent }, staging: { url: alias.url, key: staging.keys.agent } });
    const { code, json } = await disguised.run([...words, '--json']);
    assert.deepEqual([code, /wrong_environment/.test(json.error.code)], [4, true]);
    nothingWritten();
    assert.deepEqual((await production.api('/v1/runs', { key: 'operator' })).json.runs, []);
    await alias.stop();
    for (const each of [project, crossed, disguised]) each.remove();
  });

  test('believes no answer of production that is not one of a dry run', async () => {
    await fresh(people, `INSERT INTO users VALUES (1, NULL, 'Ulm', 'x')`);
    let strip = Infinity;
    const from = await between(production, ({ path: asked, number }) => asked.endsWith('/raw') && number >= strip ? (answer) => {
      delete answer.headers['dry-run'];
      return answer;
    } : undefined);
    for (strip of [0, 6]) {
      const project = projectOf(production, staging, { from, toml: '[tables.users]\nmail = "email"\n' });
      from.requests.length = 0;
      const { code, json } = await project.ended('--json');
      assert.deepEqual([code, json.error.code], [4, 'not_as_asked'], json.error.message);
      assert.match(json.error.message, /not one of a dry run.*stopped at once/);
      assert.ok(from.requests.filter(({ path: asked }) => asked.endsWith('/raw')).length <= Math.max(1, strip), 'not one request more');
      project.remove();
    }
    await from.stop();
  });

  test('stops before anything is written when a column looks personal, and prints the lines that let it go on', async () => {
    const tables = `${people}; CREATE TABLE events (id INTEGER PRIMARY KEY, "date of birth" TEXT, payload TEXT, account TEXT NOT NULL, first_name TEXT, verified_at TEXT)`;
    await fresh(tables, `INSERT INTO users VALUES (1, 'nobody', 'Ulm', 'call me'), (2, NULL, 'Bonn', 'or write to ada@lovelace.example.org today');
      INSERT INTO events VALUES (1, '1815-12-10', '{"user":{"email":"ada@lovelace.example.org"},"n":1}', 'DE89370400440532013000', 'Ada', '2026-01-01 10:00:00')`);
    const project = projectOf(production, staging, { toml: '[tables.users]\ncity = "keep"\n' });
    const { code, stderr } = await project.ended();
    assert.equal(code, 1);
    for (const part of [/users\.note: it holds texts with an e-mail address/, /users\.mail: its name/, /events\.payload: it holds texts/, /events\.account: it holds IBANs/, /Nothing was written/]) assert.match(stderr, part);
    assert.doesNotMatch(stderr, /city|verified_at/);
    assert.doesNotMatch(stderr, /lovelace|DE8937/, 'a message holds no personal values');
    assert.ok(!existsSync(project.stateFile));
    nothingWritten();
    const lines = stderr.slice(stderr.indexOf('[tables.'));
    const suggested = await project.run([...words, '--suggest']);
    assert.equal(suggested.stdout.slice(suggested.stdout.indexOf('[tables.')).trim(), lines.trim());
    nothingWritten();
    writeFileSync(path.join(project.folder, 'scrub.toml'), suggested.stdout);
    const planned = succeeded(await project.ended('--dry-run', '--json'));
    assert.deepEqual(planned.tables.map(({ name, rows }) => [name, rows]), [['users', 2], ['events', 1]]);
    nothingWritten();
    succeeded(await project.ended());
    const [event] = await staging.db.all('SELECT * FROM events');
    assert.match(event.payload, /^{"user":{"email":"p[a-z2-7]{16}@example.com"},"n":1}$/);
    assert.match(event.account, /^[A-Z]{2}\d{20}$/);
    assert.deepEqual([event['date of birth'], event.verified_at], [null, '2026-01-01 10:00:00']);
    project.remove();
  });

  test('stops in the middle when a value turns up that the sample did not show', async () => {
    await fresh(people, `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 900) INSERT INTO users SELECT i, NULL, 'Ulm', 'note ' || i FROM n; UPDATE users SET note = 'see ada@lovelace.example.org' WHERE id = 450`);
    const project = projectOf(production, staging, { toml: '[tables.users]\nmail = "email"\n' });
    const { code, json } = await project.ended('--json');
    assert.deepEqual([code, json.error.code], [1, 'personal_data']);
    assert.match(json.error.message, /users\.note holds an e-mail address in the row with the key 450/);
    assert.deepEqual(await staging.db.all(`SELECT id FROM users WHERE note LIKE '%@%'`), []);
    writeFileSync(path.join(project.folder, 'scrub.toml'), '[tables.users]\nmail = "email"\nnote = "keep"\n');
    assert.equal((await project.ended('--resume', '--json')).json.error.code, 'other_mirror');
    assert.equal(succeeded(await project.ended('--restart', '--json')).rows, 900);
    project.remove();
  });

  test('the same secret makes the same values in another mirror, and another makes others', async () => {
    await fresh(people, `INSERT INTO users VALUES (1, 'ada@lovelace.example.org', 'Ulm', NULL)`);
    const made = [];
    for (const secret of ['a secret of the team', 'a secret of the team', 'the secret of others', undefined, undefined]) {
      const project = projectOf(production, staging, { toml: '[tables.users]\nmail = "email"\n' });
      succeeded(await project.start([...words, '--scrub', 'scrub.toml'], secret ? { env: { DRYRUN_SCRUB_SECRET: secret } } : {}).ended);
      made.push((await staging.db.all('SELECT mail FROM users'))[0].mail);
      project.remove();
    }
    assert.equal(made[0], made[1]);
    assert.equal(new Set(made).size, 4);
  });

  test('rules that do not fit the database are named before anything is written', async () => {
    await fresh(`${people}; CREATE TABLE keyed (mail TEXT PRIMARY KEY REFERENCES users (mail))`);
    const project = projectOf(production, staging, { toml: '[tables.users]\nmail = "email"\nplace = "null"\nid = "hash"\n[tables.nobody]\nx = "keep"\n' });
    const { code, json } = await project.ended('--json');
    assert.equal(code, 3);
    for (const part of [/users has no stored column place/, /users\.id is the INTEGER PRIMARY KEY/, /no table nobody/, /keyed\.mail refers to users\.mail and needs the same rule/]) assert.match(json.error.message, part);
    nothingWritten();
    project.remove();
  });

  test('schemas that differ are refused, and with --schema made the same', async () => {
    const here = `CREATE TABLE parents (id INTEGER PRIMARY KEY, city TEXT); CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents ON DELETE RESTRICT, age INTEGER);
      CREATE INDEX by_age ON children (age); CREATE VIEW grown AS SELECT * FROM children WHERE age > 17`;
    const there = `CREATE TABLE parents (id INTEGER PRIMARY KEY, town TEXT); CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents ON DELETE RESTRICT, age INTEGER);
      CREATE INDEX by_age ON children (age, id); CREATE VIEW grown AS SELECT * FROM children WHERE age > 20; CREATE TABLE toys (id INTEGER PRIMARY KEY, child INTEGER REFERENCES children);
      CREATE TABLE apart (x); CREATE TRIGGER noisy AFTER DELETE ON parents BEGIN SELECT RAISE(ABORT, 'no'); END;
      INSERT INTO parents VALUES (1, 'Ulm'); INSERT INTO children VALUES (1, 1, 5); INSERT INTO toys VALUES (1, 1); INSERT INTO apart VALUES (1)`;
    await fresh(here, `INSERT INTO parents VALUES (7, 'Bonn'); INSERT INTO children VALUES (8, 7, 20)`, there);
    const project = projectOf(production, staging, { toml: '' });
    const refused = await project.ended('--json');
    assert.deepEqual([refused.code, refused.json.error.code], [4, 'schemas_differ']);
    for (const part of ['table parents', 'index by_age', 'view grown', 'trigger noisy', 'toys']) assert.match(refused.json.error.message, new RegExp(part));
    assert.doesNotMatch(refused.json.error.message, /apart/);
    nothingWritten();
    const said = succeeded(await project.ended('--schema', '--json'));
    assert.deepEqual(said.changes.left_alone, ['apart']);
    assert.deepEqual(said.changes.dropped.sort(), ['index by_age', 'table parents', 'table toys', 'view grown']);
    assert.deepEqual((await definitionsWithoutCounters(staging.db)).filter((line) => !/apart/.test(line)), await definitionsWithoutCounters(production.db));
    assert.deepEqual(await staging.db.all('SELECT * FROM grown'), [{ id: 8, parent: 7, age: 20 }]);
    assert.deepEqual(await staging.db.all('SELECT * FROM apart'), [{ x: 1 }]);
    project.remove();
  });
  const definitionsWithoutCounters = async (db) => (await db.all(`SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name`)).map((line) => JSON.stringify(line));

  test('tables can be chosen, but not without those that refer to them', async () => {
    const tables = 'CREATE TABLE parents (id INTEGER PRIMARY KEY); CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents ON DELETE CASCADE); CREATE TABLE others (x)';
    await fresh(tables, 'INSERT INTO parents VALUES (1); INSERT INTO children VALUES (1, 1); INSERT INTO others VALUES (1)', `${tables}; INSERT INTO parents VALUES (9); INSERT INTO children VALUES (9, 9); INSERT INTO others VALUES (9)`);
    const project = projectOf(production, staging, { toml: '' });
    const { code, json } = await project.ended('--tables', 'parents', '--json');
    assert.deepEqual([code, json.error.code, /children/.test(json.error.remedy)], [2, 'left_out', true]);
    assert.equal((await project.ended('--tables', 'nobody', '--json')).json.error.code, 'unknown_table');
    nothingWritten();
    succeeded(await project.ended('--tables', 'parents,children'));
    assert.deepEqual(await staging.db.all('SELECT (SELECT id FROM parents) AS a, (SELECT id FROM children) AS b, (SELECT x FROM others) AS c'), [{ a: 1, b: 1, c: 9 }]);
    project.remove();
  });

  test('rows that come while it runs are left for the next one, and those that change later are told', async () => {
    const tables = 'CREATE TABLE parents (id INTEGER PRIMARY KEY); CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents, label TEXT)';
    await fresh(tables, `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO parents SELECT i FROM n; INSERT INTO children SELECT id, id, 'first' FROM parents`);
    let moved, again;
    const to = await between(staging, async ({ body }) => {
      if (!again && body.includes('pragma_table_list') && (await staging.db.all('SELECT count(*) AS count FROM children'))[0].count > 0) {
        await (again = production.db.exec(`UPDATE children SET label = 'changed again' WHERE id = 5`));
      }
      if (moved || !body.includes('INSERT INTO \\"parents\\"')) return undefined;
      moved = production.db.exec(`INSERT INTO parents VALUES (501); INSERT INTO children VALUES (501, 501, 'late'); UPDATE parents SET id = id WHERE id = 1; DELETE FROM children WHERE id = 3; UPDATE children SET label = 'changed' WHERE id = 4`);
      await moved;
      return undefined;
    });
    const project = projectOf(production, staging, { to, toml: '' });
    const said = succeeded(await project.ended('--json'));
    assert.ok(moved && again);
    assert.deepEqual(said.moved, ['children']);
    assert.deepEqual(said.tables.map(({ name, rows }) => [name, rows]), [['parents', 500], ['children', 499]]);
    assert.deepEqual(await staging.db.all(`SELECT count(*) AS count, sum(label = 'changed') AS changed FROM children`), [{ count: 499, changed: 1 }]);
    await to.stop();
    project.remove();
  });

  test('a row that cannot be written is named, with what may be the matter', async () => {
    const table = `CREATE TABLE items (id INTEGER PRIMARY KEY, code TEXT CHECK (code LIKE 'A-%' OR code IS NULL))`;
    await fresh(table, `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO items SELECT i, CASE WHEN i = 200 THEN 'A-1' END FROM n`);
    const project = projectOf(production, staging, { toml: '[tables.items]\ncode = "hash"\n' });
    const { code, json } = await project.ended('--json');
    assert.equal(code, 4);
    assert.match(json.error.message, /row of "items" with the key 200 could not be written: CHECK constraint failed/);
    assert.match(json.error.remedy, /Take other rules, and begin anew with --restart/);
    assert.doesNotMatch(json.error.remedy, /--resume/, 'the same rules would end at the same row');
    assert.equal((await staging.db.all('SELECT count(*) AS count FROM items'))[0].count, 199);
    project.remove();
  });

  test('knows what a column makes of what a rule makes, and finds it as it should be', async () => {
    await fresh('CREATE TABLE figures (id INTEGER PRIMARY KEY, score REAL, tel NUMERIC, pin TEXT, age INTEGER, any_of_them)', `INSERT INTO figures VALUES (1, 1234.5, '+49 30 1234567', '1234', 5, 0.1), (2, 2.25, NULL, 'x', 6, 9e999), (3, 0.1, '+49 30 7654321', '1e5', 7, 3.0)`);
    for (const rules of [['"hash"', '"phone"', '{ fixed = 0 }', '{ fixed = "7.5" }', '"hash"'], ['"keep_format"', '"hash"', '"keep_format"', '{ fixed = "12" }', '"keep_format"'], ['{ fixed = 1e20 }', '{ fixed = " 7e3 " }', '"phone"', '"keep_format"', '{ fixed = 0.5 }']]) {
      const project = projectOf(production, staging, { toml: `[tables.figures]\n${['score', 'tel', 'pin', 'age', 'any_of_them'].map((column, place) => `${column} = ${rules[place]}`).join('\n')}\n` });
      assert.equal(succeeded(await project.ended('--json')).rows, 3);
      project.remove();
    }
    assert.deepEqual(await staging.db.all('SELECT score, tel, typeof(tel) AS class, any_of_them FROM figures WHERE id < 3'), [{ score: 1e20, tel: 7000, class: 'integer', any_of_them: 0.5 }, { score: 1e20, tel: null, class: 'null', any_of_them: 0.5 }]);
  });

  test('finds personal data in documents, in bytes and under names of other languages, and proposes rules that fit keys and references', async () => {
    const tables = `CREATE TABLE members (id INTEGER PRIMARY KEY, username TEXT UNIQUE, vorname TEXT, telefonnummer INTEGER, "住所" TEXT);
      CREATE TABLE posts (id INTEGER PRIMARY KEY, author TEXT REFERENCES members (username), owner_name INTEGER REFERENCES members);
      CREATE TABLE events (id INTEGER PRIMARY KEY, payload TEXT, raw BLOB, broken TEXT, picture BLOB)`;
    await fresh(tables, `INSERT INTO members VALUES (1, 'ada', 'Ada', 49301234567, 'Ulm 1'); INSERT INTO posts VALUES (1, 'ada', 1);
      INSERT INTO events VALUES (1, '{"user":{"name":"Ada Lovelace","phone":"+49 30 1234567"},"n":1}', CAST('to ada@lovelace.example.org' AS BLOB), CAST(X'FF20616461406C6F76656C6163652E6F7267' AS TEXT), X'FFD8FF00406100')`);
    const project = projectOf(production, staging, { toml: '' });
    const { code, stderr } = await project.ended();
    assert.equal(code, 1);
    assert.doesNotMatch(stderr, /lovelace|1234567|picture|owner_name/i);
    const suggested = (await project.run([...words, '--suggest'])).stdout;
    assert.match(suggested, /author = "hash"/);
    assert.match(suggested, /payload = { json = { "\/user\/name" = "name", "\/user\/phone" = "phone" } }/);
    writeFileSync(path.join(project.folder, 'scrub.toml'), suggested);
    succeeded(await project.ended());
    const [event] = await staging.db.all(`SELECT payload, CAST(raw AS TEXT) || broken AS other, hex(picture) AS picture FROM events`);
    assert.doesNotMatch(event.payload + event.other, /Ada|1234567|lovelace/);
    assert.equal(event.picture, 'FFD8FF00406100');
    assert.deepEqual(await staging.db.all('SELECT count(*) AS count, min(owner_name) AS owner FROM posts JOIN members ON username = author'), [{ count: 1, owner: 1 }]);
    // A rule for one place is none for another.
    writeFileSync(path.join(project.folder, 'scrub.toml'), suggested.replace('"/user/name" = "name", ', ''));
    const left = (await project.ended('--json')).json.error;
    assert.deepEqual([left.code, /events\.payload: its rule says nothing about \/user\/name/.test(left.message)], ['personal_data', true], left.message);
    project.remove();
  });

  test('stops at a document in the middle of a table', async () => {
    await fresh(people, `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 600) INSERT INTO users SELECT i, NULL, 'Ulm', '{"n":1}' FROM n; UPDATE users SET note = '{"user":{"nachname":"Lovelace"}}' WHERE id = 300`);
    const project = projectOf(production, staging, { toml: '[tables.users]\nmail = "email"\n' });
    const { code, json } = await project.ended('--json');
    assert.deepEqual([code, json.error.code], [1, 'personal_data']);
    assert.match(json.error.message, /users\.note holds JSON with personal values in it in the row with the key 300/);
    assert.match(json.error.remedy, /note = { json = { "\/user\/nachname" = "name" } }/);
    assert.deepEqual(await staging.db.all(`SELECT id FROM users WHERE note LIKE '%Lovelace%'`), []);
    project.remove();
  });

  test('quotes, capitals and blanks are no difference of schemas', async () => {
    await fresh(`CREATE TABLE "items" ("id" INTEGER PRIMARY KEY, [a b] TEXT DEFAULT 'X'); CREATE INDEX by_a ON items ([a b] DESC)`, `INSERT INTO items VALUES (1, 'y')`,
      `create table items (id integer primary key, "a b" text default 'X'); CREATE INDEX by_a ON "items" ("a b" desc)`);
    const project = projectOf(production, staging, { toml: '' });
    assert.deepEqual(succeeded(await project.ended('--json')).changes, { made: [], dropped: [], left_alone: [], virtual_tables_not_copied: [] });
    project.remove();
  });

  test('goes on only with the secret that it began with, and begins anew whatever the state file holds', async () => {
    await fresh(people, `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO users SELECT i, 'p' || i || '@lovelace.example.org', 'Ulm', NULL FROM n`);
    let cut = true;
    const to = await between(staging, ({ body }) => (cut && body.includes('INSERT INTO \\"users\\"') ? (answer) => ({ ...answer, status: 400, body: Buffer.from('{"code":"run_closed","detail":"Closed.","remedy":""}') }) : undefined));
    const project = projectOf(production, staging, { to, toml: '[tables.users]\nmail = "email"\n' });
    const ended = await project.ended('--json');
    assert.equal(ended.code, 4, ended.stderr);
    cut = false;
    const other = await project.start([...words, '--scrub', 'scrub.toml', '--resume', '--json'], { env: { DRYRUN_SCRUB_SECRET: 'a secret of the team' } }).ended;
    assert.deepEqual([other.code, /DRYRUN_SCRUB_SECRET is not the secret/.test(other.json.error.message)], [3, true]);
    writeFileSync(project.stateFile, 'half a fi');
    assert.equal((await project.ended('--resume', '--json')).code, 3);
    assert.equal(succeeded(await project.ended('--restart', '--json')).rows, 300);
    await to.stop();
    project.remove();
  });

  test('does not go on with other tables than it began with', async () => {
    await fresh(people, `INSERT INTO users VALUES (1, NULL, 'Ulm', 'x')`);
    let cut = true;
    const to = await between(staging, ({ body }) => (cut && body.includes('INSERT INTO \\"users\\"') ? (answer) => ({ ...answer, status: 400, body: Buffer.from('{"code":"run_closed","detail":"Closed.","remedy":""}') }) : undefined));
    const project = projectOf(production, staging, { to, toml: '[tables.users]\nmail = "email"\n' });
    assert.equal((await project.ended('--json')).code, 4);
    cut = false;
    for (const { db } of [production, staging]) await db.exec('CREATE TABLE later (x)');
    await production.db.exec('INSERT INTO later VALUES (1)');
    const { code, json } = await project.ended('--resume', '--json');
    assert.deepEqual([code, json.error.code], [1, 'tables_changed']);
    assert.deepEqual(succeeded(await project.ended('--restart', '--json')).tables.map(({ name, rows }) => [name, rows]), [['users', 1], ['later', 1]]);
    await to.stop();
    project.remove();
  });

  test('does not begin or go on while another one is running', async () => {
    await fresh(people, `INSERT INTO users VALUES (1, NULL, 'Ulm', 'x')`);
    let held, release;
    const reached = new Promise((resolve) => (held = resolve));
    const released = new Promise((resolve) => (release = resolve));
    const to = await between(staging, async ({ body }) => {
      if (!body.includes('INSERT INTO \\"users\\"')) return undefined;
      held();
      await released;
      return undefined;
    });
    const project = projectOf(production, staging, { to, toml: '[tables.users]\nmail = "email"\n' });
    const first = project.ended('--json');
    await reached;
    try {
      for (const how of [[], ['--resume'], ['--restart']]) {
        const { code, json } = await project.ended('--json', ...how);
        assert.deepEqual([code, json.error.code], [4, 'already_running'], how.join());
      }
    } finally {
      release();
    }
    assert.equal(succeeded(await first).rows, 1);
    await to.stop();
    project.remove();
  });

  test('writes nothing past a run that it is started in', async () => {
    await fresh(people, `INSERT INTO users VALUES (1, NULL, 'Ulm', 'x')`);
    const project = projectOf(production, staging, { toml: '[tables.users]\nmail = "email"\n' });
    const inside = { env: { DRYRUN_RUN_ID: 'run_1', DRYRUN_URL: staging.url, DRYRUN_TOKEN: 'drt_staging_x' } };
    const { code, json } = await project.start([...words, '--scrub', 'scrub.toml', '--json'], inside).ended;
    assert.deepEqual([code, json.error.code], [4, 'inside_run']);
    nothingWritten();
    assert.equal((await project.start([...words, '--scrub', 'scrub.toml', '--dry-run', '--json'], inside).ended).code, 0);
    nothingWritten();
    project.remove();
  });

  test('an index of words over another table is built anew, and virtual tables are told', async () => {
    const tables = `CREATE TABLE texts (id INTEGER PRIMARY KEY, body TEXT); CREATE VIRTUAL TABLE words USING fts5(body, content='texts', content_rowid='id');
      CREATE TRIGGER texts_are_indexed AFTER INSERT ON texts BEGIN INSERT INTO words (rowid, body) VALUES (new.id, new.body); END`;
    await fresh(tables, `INSERT INTO texts VALUES (1, 'quick brown fox'), (2, 'lazy dog')`, `${tables}; INSERT INTO texts VALUES (5, 'stale entry')`);
    const project = projectOf(production, staging, { toml: '' });
    const said = succeeded(await project.ended('--json'));
    assert.deepEqual(said.changes.virtual_tables_not_copied, ['words']);
    const found = (word) => staging.db.all(`SELECT rowid FROM words WHERE words MATCH '${word}'`);
    assert.deepEqual([await found('fox'), await found('stale')], [[{ rowid: 1 }], []]);
    await staging.db.exec(`INSERT INTO texts VALUES (3, 'new fox')`);
    assert.equal((await found('fox')).length, 2, 'the trigger is there again');
    project.remove();
  });

  test('an index of words is made where it is lacking, and one with rows of its own is copied and scrubbed', async () => {
    const tables = `CREATE TABLE texts (id INTEGER PRIMARY KEY, body TEXT); CREATE VIRTUAL TABLE words_of USING fts5(body, content='texts', content_rowid='id');
      CREATE VIRTUAL TABLE words USING fts5(title, note, tokenize = 'porter'); CREATE TRIGGER texts_are_indexed AFTER INSERT ON texts BEGIN INSERT INTO words_of (rowid, body) VALUES (new.id, new.body); END`;
    await fresh(tables, `INSERT INTO texts VALUES (1, 'quick brown fox'); INSERT INTO words (rowid, title, note) VALUES (7, 'running', 'by ada@lovelace.example.org'), (9, 'sleeping', NULL)`,
      `CREATE VIRTUAL TABLE words USING fts5(title, note, tokenize = 'porter'); INSERT INTO words VALUES ('old secret', 'left@over.example.org')`);
    const project = projectOf(production, staging, { toml: '' });
    assert.match((await project.ended()).stderr, /words\.note: it holds texts with an e-mail address/);
    nothingWritten();
    writeFileSync(path.join(project.folder, 'scrub.toml'), '[tables.words]\nnote = "hash"\n');
    const said = succeeded(await project.ended('--json'));
    assert.deepEqual([said.changes.virtual_tables_not_copied, said.tables.map(({ name, rows }) => [name, rows]).sort()], [['words_of'], [['texts', 1], ['words', 2]]]);
    assert.deepEqual(await staging.db.all(`SELECT rowid FROM words WHERE words MATCH 'run'`), [{ rowid: 7 }]);
    assert.deepEqual(await staging.db.all(`SELECT rowid FROM words WHERE words MATCH 'old OR lovelace OR left'`), []);
    await staging.db.exec(`INSERT INTO texts VALUES (3, 'new fox')`);
    assert.equal((await staging.db.all(`SELECT rowid FROM words_of WHERE words_of MATCH 'fox'`)).length, 2);
    project.remove();
  });
});
