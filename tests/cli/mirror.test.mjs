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
    assert.deepEqual(runs.map(({ mode, phase, labels }) => [mode, phase, labels.command]), [['dry_run', 'closed', 'mirror']]);
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
    const project = projectOf(production, staging);
    let kills = 0;
    for (const [table, atLeast] of [['orders', 1], ['people', 1], ['accounts', 1], ['log', 1]]) {
      const running = project.mirror(...(kills > 0 ? ['--resume'] : []));
      const reached = () => running.child.exitCode !== null || (existsSync(project.stateFile) && (project.state().tables[table]?.rows ?? 0) >= atLeast);
      await until(reached, `${table} is begun`, 120_000);
      assert.equal(running.child.exitCode, null, running.stderr);
      running.child.kill('SIGKILL');
      assert.equal((await running.ended).signal, 'SIGKILL');
      kills += 1;
    }
    assert.equal(statSync(project.stateFile).mode & 0o777, 0o600);
    const unfinished = await project.ended();
    assert.equal(unfinished.code, 2);
    assert.match(unfinished.stderr, /--resume.*--restart/);
    succeeded(await project.ended('--resume'));
    await sameButScrubbed(production, staging);
    assert.equal(await digestOf(production.db), untouched);
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
    succeeded(await project.ended('--json'));
    assert.ok(cuts.before > 5 && cuts.after > 5, JSON.stringify(cuts));
    await sameButScrubbed(production, staging);
    await Promise.all([from.stop(), to.stop()]);
    project.remove();
  });

  test('stops when the gateway is gone, says so, and goes on when it is back', async () => {
    const gone = { now: false };
    let writes = 0;
    const to = await between(staging, ({ body }) => {
      if (body.includes('INSERT INTO \\"orders\\"')) writes += 1;
      gone.now ||= writes === 2;
      return gone.now ? 'before' : undefined;
    });
    const project = projectOf(production, staging, { to });
    const { code, stderr } = await project.ended();
    assert.equal(code, 5, stderr);
    assert.match(stderr, /staging gateway at .* did not answer/);
    assert.match(stderr, /set aside \(.*customers_are_noted.*--resume/s);
    assert.deepEqual(await staging.db.all(`SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'customers'`), []);
    gone.now = false;
    writes = 100;
    succeeded(await project.ended('--resume'));
    await sameButScrubbed(production, staging);
    await to.stop();
    project.remove();
  });

  test('Ctrl-C ends it between two requests, with the triggers back', async () => {
    const project = projectOf(production, staging);
    const running = project.mirror('--json');
    await until(() => existsSync(project.stateFile) && project.state().tables.customers?.rows > 0, 'customers are begun', 120_000);
    running.child.kill('SIGINT');
    const { code, json } = await running.ended;
    assert.deepEqual([code, json.error.code], [1, 'interrupted']);
    assert.match(json.error.remedy, /triggers.*are there again.*--resume/);
    assert.equal((await staging.db.all(`SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('customers', 'storage')`)).length, 2);
    succeeded(await project.ended('--resume'));
    await sameButScrubbed(production, staging);
    project.remove();
  });

  test('finds a row that somebody changed on the target, and names its table', async () => {
    const project = projectOf(production, staging);
    const running = project.mirror();
    await until(() => existsSync(project.stateFile) && project.state().tables.teams?.copied, 'teams are copied', 120_000);
    running.child.kill('SIGKILL');
    await running.ended;
    await staging.db.exec(`UPDATE teams SET label = 'tampered' WHERE id = 250`);
    const { code, json, stderr } = await project.ended('--resume', '--json');
    assert.equal(code, 1, stderr);
    assert.match(json.error.message, /teams: the target has other values where 500 rows were copied/);
    assert.doesNotMatch(json.error.message, /customers/);
    succeeded(await project.ended('--restart'));
    project.remove();
  });
});
