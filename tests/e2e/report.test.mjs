// The report of a run: what would change, what did not work, what to look at, and nothing that does not belong there.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, paths, reportOf } from './helpers.mjs';

const schema = `CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT UNIQUE NOT NULL, plan TEXT CHECK (plan IN ('free', 'pro')), prefs TEXT);
  CREATE TABLE tickets (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, status TEXT DEFAULT 'open', file TEXT, weight REAL);
  CREATE TABLE audit (id INTEGER PRIMARY KEY, what TEXT);
  CREATE TRIGGER noted AFTER UPDATE OF status ON tickets BEGIN INSERT INTO audit (what) VALUES (old.status || '>' || new.status); END;
  INSERT INTO customers VALUES (1, 'a@x', 'free', NULL), (2, 'b@x', 'pro', NULL), (3, 'c@x', 'free', NULL);
  INSERT INTO tickets VALUES (1, 1, 'open', NULL, 1.5), (2, 1, 'open', NULL, 2), (3, 2, 'open', NULL, NULL);`;

let gateway;
before(async () => {
  gateway = await startGateway();
  await gateway.db.exec(schema);
  await gateway.cache.put('counter', '1', { metadata: { by: 'desk' } });
  await gateway.cache.put('config', '{"a":{"x":1,"y":2}}');
  await gateway.files.put('old.txt', 'old');
});
beforeEach(() => gateway.heal());
after(() => gateway.stop());

const markdownOf = async (id) => (await gateway.api(`/v1/runs/${id}/report?format=markdown`, { key: 'approver' })).text;
const group = (report, store, subject) => report.changes.find((one) => one.store === store && one.subject === subject);
const counts = ({ inserted, updated, deleted }) => [inserted, updated, deleted];
const fields = (report, store, subject, key) => Object.fromEntries(group(report, store, subject).items.find((item) => item.key === key).fields.map(({ field, before: was, after: is }) => [field, [was, is]]));

describe('a run with everything', () => {
  let run;
  let report;
  let digest;

  before(async () => {
    digest = await gateway.digest();
    run = await openRun(gateway, { labels: { team: 'desk' }, prompt_version: 'triage@3' });
    const agent = agentOf(gateway, run.token);
    const steps = [
      () => agent.sql('SELECT * FROM customers'), // 1
      () => agent.sql("UPDATE customers SET plan = 'pro', prefs = '{\"a\":1}' WHERE id = 1"), // 2
      () => agent.sql("INSERT INTO customers (id, email, plan) VALUES (4, 'd@x', 'free')"), // 3
      () => agent.sql("UPDATE customers SET plan = 'pro' WHERE id = 4"), // 4: part of the insert
      () => agent.sql("INSERT INTO customers (id, email, plan) VALUES (5, 'e@x', 'free')"), // 5
      () => agent.sql('DELETE FROM customers WHERE id = 5'), // 6: never was
      () => agent.sql("UPDATE customers SET plan = 'pro' WHERE id = 3"), // 7
      () => agent.sql("UPDATE customers SET plan = 'free' WHERE id = 3"), // 8: as it was
      () => agent.sql("UPDATE tickets SET status = 'done' WHERE id = 3"), // 9: the trigger notes it
      () => agent.sql('DELETE FROM customers WHERE id = 2'), // 10: its ticket goes too
      () => agent.sql("INSERT INTO customers (email, plan) VALUES ('a@x', 'free')"), // 11: fails
      () => agent.sql("INSERT INTO tickets (customer) VALUES (77)"), // 12: fails
      () => agent.sql("UPDATE customers SET plan = 'pro' WHERE id = 99"), // 13: skipped
      () => agent.del('nothing'), // 14: skipped
      () => agent.put('counter', '2'), // 15
      () => agent.put('counter', '3'), // 16
      () => agent.put('new-key', 'x', { headers: { 'idempotency-key': 'once' } }), // 17
      () => agent.put('passing', 'x'), // 18
      () => agent.del('passing'), // 19
      () => agent.put('config', '{"a":{"x":1,"y":3}}'), // 20
      () => agent.putObject('reports/t1.txt', 'report'), // 21
      () => agent.sql("UPDATE tickets SET file = 'reports/t1.txt' WHERE id = 1"), // 22: names it
      () => agent.delObject('old.txt'), // 23
      () => agent.sql('UPDATE tickets SET weight = 1.5'), // 24: no WHERE
      () => agent.sql('PRAGMA writable_schema = on'), // 25: refused
      () => agent.sql('ANALYZE'), // 26: refused
      () => agent.getObject('nothing.txt'), // 27: reads that there is nothing
    ];
    for (const step of steps) await step();
    report = await reportOf(gateway, run.id);
  });

  test('the head says which run this is', () => {
    assert.deepEqual([report.run.id, report.run.owner, report.run.environment, report.run.mode, report.run.phase], [run.id, 'agent', 'staging', 'dry_run', 'open']);
    assert.deepEqual([report.run.labels, report.run.prompt_version], [{ team: 'desk' }, 'triage@3']);
  });

  test('the summary counts what there was', () => {
    const { summary } = report;
    assert.deepEqual([summary.operations, summary.reads, summary.writes], [27, 2, 25]);
    assert.deepEqual([summary.skipped, summary.failed, summary.refused, summary.live_writes, summary.first_problem], [2, 2, 2, 0, 11]);
    const sum = (name) => report.changes.reduce((total, one) => total + one[name], 0);
    assert.deepEqual([summary.inserted, summary.updated, summary.deleted], ['inserted', 'updated', 'deleted'].map(sum));
  });

  test('changes are net: what came and went is gone, what changed twice changed once', () => {
    assert.deepEqual(counts(group(report, 'DB', 'customers')), [1, 1, 1]);
    assert.deepEqual(group(report, 'DB', 'customers').items.map(({ key, change }) => [key, change]).sort(), [['1', 'updated'], ['2', 'deleted'], ['4', 'inserted']]);
    assert.deepEqual(counts(group(report, 'CACHE', 'keys')), [1, 2, 0]);
    assert.deepEqual(group(report, 'CACHE', 'keys').items.map(({ key }) => key).sort(), ['config', 'counter', 'new-key']);
    assert.deepEqual(group(report, 'FILES', 'objects').items.map(({ key, change }) => [key, change]).sort(), [['old.txt', 'deleted'], ['reports/t1.txt', 'inserted']]);
  });

  test('fields show before and after, and only where they differ', () => {
    assert.deepEqual(fields(report, 'DB', 'customers', '1'), { plan: ['free', 'pro'], prefs: [null, '{"a":1}'] });
    assert.deepEqual(fields(report, 'DB', 'customers', '4').plan, [undefined, 'pro']);
    assert.deepEqual(fields(report, 'DB', 'customers', '2').email, ['b@x', undefined]);
    assert.deepEqual(fields(report, 'DB', 'tickets', '1'), { file: [null, 'reports/t1.txt'] });
    assert.deepEqual(fields(report, 'DB', 'tickets', '2'), { weight: [2, 1.5] });
    const counter = Object.values(fields(report, 'CACHE', 'keys', 'counter')).flat();
    assert.ok(counter.some((value) => String(value) === '1') && counter.some((value) => String(value) === '3'), JSON.stringify(counter));
    const config = Object.entries(fields(report, 'CACHE', 'keys', 'config'));
    assert.ok(config.some(([field, [was, is]]) => field.endsWith('a.y') && was === 2 && is === 3), JSON.stringify(config));
  });

  test('triggers and cascades are in it', () => {
    assert.deepEqual(group(report, 'DB', 'audit').items.map(({ change, fields: [, { after: what }] }) => [change, what]), [['inserted', 'open>done']]);
    assert.deepEqual(group(report, 'DB', 'tickets').items.find(({ key }) => key === '3').change, 'deleted');
  });

  test('what did not work is there with its step, its reason and the way out', () => {
    assert.deepEqual(report.problems.map(({ position, outcome, code }) => [position, outcome, code]),
      [[11, 'failed', 'sql_error'], [12, 'failed', 'sql_error'], [25, 'refused', 'statement_not_allowed'], [26, 'refused', 'not_rehearsable']]);
    assert.match(report.problems[0].message, /UNIQUE constraint failed: customers\.email/);
    assert.match(report.problems[1].message, /FOREIGN KEY constraint failed/);
    assert.ok(report.problems[0].asked.includes('a@x') && report.problems[2].remedy.length > 5);
    assert.deepEqual(report.skipped.map(({ position, store, action }) => [position, store, action]), [[13, 'DB', 'UPDATE'], [14, 'CACHE', 'delete']]);
  });

  test('hazards and coverage are named', () => {
    const hazards = Object.fromEntries(report.hazards.map(({ kind, operations, message }) => [kind, [operations, message]]));
    assert.deepEqual(Object.keys(hazards).sort(), ['cascade', 'object_only_in_plan', 'unbounded']);
    assert.deepEqual([hazards.unbounded[0], hazards.object_only_in_plan[0], hazards.cascade[0]], [[24], [21], [10]]);
    assert.match(hazards.object_only_in_plan[1], /reports\/t1\.txt.*tickets/);
    assert.equal(report.coverage.exact, false);
    assert.deepEqual(report.coverage.refused, { not_rehearsable: 1, statement_not_allowed: 1 });
    assert.equal(report.coverage.live_without_images, 0);
  });

  test('every operation is in the journal, in order and ended', () => {
    assert.deepEqual(report.operations.map(({ position }) => position), Array.from({ length: 27 }, (_, index) => index + 1));
    for (const entry of report.operations) {
      assert.ok(['done', 'skipped', 'failed', 'refused'].includes(entry.outcome) && entry.duration_ms >= 0 && entry.at >= report.run.opened_at, JSON.stringify(entry));
      if (entry.access === 'write' && entry.outcome === 'done') assert.equal(entry.mode, 'dry_run');
    }
  });

  test('the Markdown says the same, and nothing has changed', async () => {
    const text = await markdownOf(run.id);
    assert.match(text, /^# Dry run `run_/);
    for (const part of ['**Nothing was written to staging.**', '27: 2 reads, 25 writes', '2 skipped, 2 failed, 2 refused', '## Findings', '## Failed and refused (4)', '**Step 11**', 'UNIQUE constraint failed: customers.email', '## DB `customers`: 1 updated, 1 inserted, 1 deleted', '`plan`: `free` → `pro`', '## Skipped', '## Coverage']) {
      assert.ok(text.includes(part), `${part}\n${text}`);
    }
    assert.equal(await gateway.digest(), digest);
  });

  test('no credential is in the report, the control database or the logs', async () => {
    const places = [JSON.stringify(report), await markdownOf(run.id), gateway.logs(), JSON.stringify(await gateway.control.all('SELECT * FROM runs')), JSON.stringify(await gateway.control.all('SELECT * FROM alerts'))];
    for (const [name, secret] of [['token', run.token], ['signature', run.token.split('.')[1]], ...Object.entries(gateway.keys), ['scheme', 'Bearer'], ['header', 'authorization']]) {
      for (const place of places) assert.ok(!place.toLowerCase().includes(secret.toLowerCase()), `${name} in ${place.slice(0, 300)}`);
    }
  });
});

test('a run that wrote before it turned dry says so first', async () => {
  const { id, token } = await openRun(gateway, { mode: 'live' });
  const agent = agentOf(gateway, token);
  await agent.put('live-1', 'x');
  await agent.sql("INSERT INTO audit (what) VALUES ('live')");
  await agent.put('dry-1', 'x', { headers: { 'dry-run': 'true' } });
  const report = await reportOf(gateway, id);
  assert.deepEqual(report.hazards.map(({ kind, operations }) => [kind, operations]), [['live_before_dry', [1, 2]]]);
  assert.deepEqual([report.summary.live_writes, report.coverage.live_without_images, report.coverage.exact], [2, 2, false]);
  assert.deepEqual(report.operations.map(({ mode }) => mode), ['live', 'live', 'dry_run']);
  assert.match(await markdownOf(id), /\*\*2 writes reached staging before this became a dry run\*\*/);
});

test('a rehearsed migration is the ground for what follows it, in the same request and in later ones', async () => {
  const { id, token } = await openRun(gateway);
  const agent = agentOf(gateway, token);
  const digest = await gateway.digest();
  const steps = [
    'CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT)', "INSERT INTO teams (name) VALUES ('desk')", 'ALTER TABLE teams ADD COLUMN size INTEGER', 'CREATE INDEX by_size ON teams (size)', 'UPDATE teams SET size = 3', 'CREATE TABLE IF NOT EXISTS teams (id)',
    'ALTER TABLE teams RENAME TO crews', "INSERT INTO crews (name) VALUES ('night')", 'ALTER TABLE audit RENAME TO history', "INSERT INTO history (what) VALUES ('renamed')",
    "CREATE TABLE copied (id INTEGER PRIMARY KEY, email TEXT); INSERT INTO copied SELECT id, email FROM customers; UPDATE copied SET email = upper(email)", 'CREATE VIEW all_crews AS SELECT name FROM crews', 'DROP TABLE copied', 'CREATE TABLE copied (x)', 'INSERT INTO copied VALUES (1)',
  ];
  for (const sql of steps) {
    const { status, text } = await agent.sql(sql);
    assert.equal(status, 200, `${sql}: ${text}`);
  }
  assert.deepEqual((await agent.sql('SELECT * FROM crews ORDER BY id')).json.result[0].results, [{ id: 1, name: 'desk', size: 3 }, { id: 2, name: 'night', size: null }]);
  assert.deepEqual((await agent.sql('SELECT count(*) AS n FROM all_crews')).json.result[0].results, [{ n: 2 }]);
  assert.equal(await gateway.digest(), digest);
  assert.ok(group(await reportOf(gateway, id), 'DB', 'schema').inserted >= 3);
});

test('an empty run has a report', async () => {
  const { id } = await openRun(gateway);
  const report = await reportOf(gateway, id);
  assert.deepEqual([report.summary.operations, report.changes, report.problems, report.coverage.exact, report.summary.first_problem], [0, [], [], true, null]);
  assert.match(await markdownOf(id), /None: the run would leave every store as it is/);
});

test('hostile data does not become part of the Markdown', async () => {
  const lines = ['# OWNED', '## OWNED', '- OWNED', '* OWNED', '> OWNED', '| OWNED | OWNED |', '---OWNED', '1. OWNED', '```OWNED', '~~~OWNED', '    OWNED', '<h1>OWNED</h1>', '<!-- OWNED', '<details>OWNED', '[OWNED](https://owned.example)', '![OWNED](https://owned.example/x.png)', 'https://owned.example/OWNED', '@OWNED', '**OWNED**', '__OWNED__', '&lt;OWNED', '\\`OWNED'];
  const hostile = [
    ...lines, ...lines.map((line) => `\n${line}`), ...lines.map((line) => `x\r\n\r\n${line}\n`), ...lines.map((line) => `\`${line}`), ...lines.map((line) => `\`\`\`\n${line}\n\`\`\``),
    '\u001b[31mOWNED\u001b[0m', '\u202eOWNED', '\u2066OWNED\u2069', '\u2028# OWNED', '\u0085# OWNED', '\u000b# OWNED', '\u000c# OWNED', '\u0007OWNED\u0000', '`'.repeat(40) + 'OWNED', ' ` OWNED ` ', '\u200bOWNED', '\u061cOWNED', '\u{e0041}\u{e007f}OWNED', '\u180e\u206a\u206fOWNED', '\u115f\u1160\u3164\uffa0\u2800OWNED', '\ufe0f\u{e0100}\u034f\u00adOWNED', `OWNED${'\u0301'.repeat(60)}`, '\u{1bca0}\u{1d173}\ufff9OWNED',
  ];
  // Few enough for each run that none is left out of the Markdown.
  for (let from = 0; from < hostile.length; from += 20) {
    const part = hostile.slice(from, from + 20);
    const { id, token } = await openRun(gateway, { labels: { '| OWNED |\n# OWNED': '`OWNED`\n# OWNED' }, prompt_version: '# OWNED\n| OWNED |' });
    const agent = agentOf(gateway, token);
    assert.equal((await agent.batch(part.map((text) => ({ sql: 'INSERT INTO audit (what) VALUES (?)', params: [text] })))).status, 200);
    for (const text of part) {
      await agent.put(text, text);
      await agent.putObject(text, text, { headers: { 'x-amz-meta-a': 'OWNED' } });
    }
    for (const text of part.slice(0, 6)) {
      await agent.sql('INSERT INTO customers (email, plan) VALUES (?, ?)', [text, '# OWNED']);
      await agent.sql('UPDATE customers SET email = ? WHERE id = -1', [text]);
      await agent.sql('UPDATE tickets SET file = ? WHERE id = 2', [text]);
      await agent.call(`/client/v4/accounts/local/${encodeURIComponent(text)}`);
      await agent.call(paths.d1('query', encodeURIComponent(text)), { json: { sql: text } });
    }
    await agent.sql('CREATE TABLE "# OWNED\n\n# OWNED `" ("| OWNED\n# OWNED")');
    await agent.sql('CREATE TABLE "OWNED *x* <b>" (a)');
    await agent.sql('DELETE FROM audit; SELECT "OWNED"');
    assertHarmless(await markdownOf(id), 'OWNED');
  }
});

/** No line begins with data, data stands in code spans only, and nothing is invisible. */
function assertHarmless(text, data) {
  assert.ok(text.includes(data));
  for (const line of text.split(/[\n\r\u000b\u000c\u0085\u2028\u2029]/)) {
    assert.match(line, /^($|# (Dry run|Live run) |## (Findings|Failed and refused|Skipped|Coverage|Changes|DB|CACHE|FILES)|\*\*|\| |- | {2}- | {2}(asked|remedy): |None|Every)/, JSON.stringify(line));
    const outside = line.replace(/(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)/g, '');
    assert.ok(!outside.includes(data), `outside of a code span: ${JSON.stringify(line)}`);
  }
  const invisible = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u206a-\u206f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]|\p{M}{5}/u.exec(text);
  assert.equal(invisible, null, `U+${invisible?.[0].codePointAt(0).toString(16)}`);
}

test('a run of 500 operations stays readable, and its JSON complete', async () => {
  const { id, token } = await openRun(gateway);
  const agent = agentOf(gateway, token);
  for (let index = 0; index < 500; index += 1) {
    const kind = index % 5;
    if (kind === 0) await agent.sql('INSERT INTO audit (id, what) VALUES (?, ?)', [10_000 + index, 'x'.repeat(500)]);
    if (kind === 1) await agent.put(`bulk-${index}`, JSON.stringify({ index, text: 'y'.repeat(300) }));
    if (kind === 2) await agent.sql('UPDATE customers SET plan = ? WHERE id = ?', ['pro', -index]);
    if (kind === 3) await agent.sql("INSERT INTO customers (email, plan) VALUES ('a@x', ?)", ['z'.repeat(400)]);
    if (kind === 4) await agent.putObject(`bulk/${index}`, 'body');
  }
  const report = await reportOf(gateway, id);
  assert.deepEqual([report.summary.operations, report.operations.length, report.summary.inserted, report.summary.skipped, report.summary.failed], [500, 500, 300, 100, 100]);
  assert.deepEqual([report.problems.length, report.skipped.length, report.changes.reduce((sum, { items }) => sum + items.length, 0)], [100, 100, 300]);
  const text = await markdownOf(id);
  assert.ok(text.length < 60_000 && text.split('\n').length < 1_200, `${text.length} characters, ${text.split('\n').length} lines`);
  assert.match(text, /and \d+ more, in the JSON report/);
});

test('what does not fit the shadow’s budget is refused with the way out, and nothing runs', async () => {
  for (const vars of [{ SHADOW_MAX_ROWS: '5' }, { SHADOW_MAX_BYTES: '200' }]) {
    const small = await startGateway({ vars });
    try {
      await small.db.exec(`${schema} WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 50) INSERT INTO audit SELECT x, 'row ' || x FROM n;`);
      const digest = await small.digest();
      const { id, token } = await openRun(small);
      const agent = agentOf(small, token);
      for (const sql of ["UPDATE audit SET what = 'x'", "INSERT INTO audit (what) VALUES ('x')", 'DELETE FROM audit WHERE id = 1']) {
        const answer = await agent.sql(sql);
        assertProblem(answer, 422, 'shadow_budget_exceeded');
        assert.match(answer.json.remedy, /SHADOW_MAX|smaller/);
      }
      // Whole batches, too: the part that would fit is not done either.
      assertProblem(await agent.batch([{ sql: "UPDATE customers SET plan = 'pro' WHERE id = 1" }, { sql: 'DELETE FROM audit' }]), 422, 'shadow_budget_exceeded');
      assert.deepEqual((await agent.sql('SELECT plan FROM customers WHERE id = 1')).json.result[0].results, [{ plan: 'free' }]);
      assert.equal((await agent.sql('SELECT count(*) AS n FROM audit')).json.result[0].results[0].n, 50);
      assert.equal(await small.digest(), digest);
      const report = await reportOf(small, id);
      assert.deepEqual([report.changes, report.summary.refused, report.coverage.refused], [[], 4, { shadow_budget_exceeded: 4 }]);
    } finally {
      await small.stop();
    }
  }
});

test('rows that were copied for a statement that failed count against the budget too', async () => {
  const small = await startGateway({ vars: { SHADOW_MAX_ROWS: '6' } });
  try {
    const four = (table) => `CREATE TABLE ${table} (id INTEGER PRIMARY KEY); INSERT INTO ${table} VALUES (1), (2), (3), (4);`;
    await small.db.exec(four('first') + four('second'));
    const { token } = await openRun(small);
    const agent = agentOf(small, token);
    assertProblem(await agent.sql('INSERT INTO first VALUES (1)'), 400, 'sql_error', { remedy: false });
    assertProblem(await agent.sql('DELETE FROM second WHERE id = 1'), 422, 'shadow_budget_exceeded');
    assert.equal((await agent.sql('DELETE FROM first WHERE id = 1')).status, 200);
  } finally {
    await small.stop();
  }
});

describe('a table that is made anew, as migration tools do it', () => {
  const ways = {
    'copied, then renamed': [
      'CREATE TABLE __new_plans (code TEXT PRIMARY KEY, price INTEGER NOT NULL) STRICT', 'INSERT INTO __new_plans SELECT code, price FROM plans ORDER BY code',
      'DROP TABLE plans', 'ALTER TABLE __new_plans RENAME TO plans',
    ],
    'renamed, then copied': ['ALTER TABLE plans RENAME TO old_plans', 'CREATE TABLE plans (code TEXT PRIMARY KEY, price INTEGER NOT NULL)', 'INSERT INTO plans SELECT * FROM old_plans ORDER BY code', 'DROP TABLE old_plans'],
    'copied away and back': ['CREATE TABLE kept AS SELECT * FROM plans', 'DROP TABLE plans', 'CREATE TABLE plans (code TEXT PRIMARY KEY, price INT)', 'INSERT INTO plans SELECT * FROM kept ORDER BY code', 'DROP TABLE kept'],
  };
  for (const [how, statements] of Object.entries(ways)) {
    test(`shows the rows that differ by their primary keys, and no other: ${how}`, async () => {
      await gateway.db.exec("DROP TABLE IF EXISTS plans; CREATE TABLE plans (code TEXT PRIMARY KEY, price INTEGER); INSERT INTO plans VALUES ('solo', 5), ('team', 20), ('free', 0), ('old', 1)");
      const run = await openRun(gateway);
      const agent = agentOf(gateway, run.token);
      for (const statement of ["UPDATE plans SET price = 6 WHERE code = 'solo'", ...statements, "INSERT INTO plans VALUES ('big', 99)", "DELETE FROM plans WHERE code = 'old'"]) {
        assert.equal((await agent.sql(statement)).status, 200, statement);
      }
      const report = await reportOf(gateway, run.id);
      const rows = report.changes.filter(({ subject }) => subject !== 'schema').flatMap(({ subject, items }) => items.map(({ key, change, fields }) => [subject, key, change, ...fields.map(({ field, before, after }) => `${field}: ${before} → ${after}`)].join(' ')));
      assert.deepEqual(rows.sort(), ['plans big inserted code: undefined → big price: undefined → 99', 'plans old deleted code: old → undefined price: 1 → undefined', 'plans solo updated price: 5 → 6']);
    });
  }
});
