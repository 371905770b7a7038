// What an attacker changed without the report saying so, and must not again: every change of a row or a key is one change in the report.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { makeBase, runOf } from './fresh_base.mjs';
import { assertProblem, paths } from './helpers.mjs';

let gateway;
before(async () => void (gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000' } })));
after(() => gateway.stop());

/** Runs the statements in a dry run over `schema` and answers the report's changes. */
async function changesOf(schema, statements) {
  await makeBase(gateway, schema);
  const run = await runOf(gateway);
  const contents = await gateway.digest();
  for (const sql of statements) {
    const answer = await run.sql(sql);
    assert.equal(answer.status, 200, answer.text.slice(0, 300));
  }
  assert.equal(await gateway.digest(), contents);
  return run.changes();
}
/** [subject, change, changed field…] each. A text of which not all is kept is a field with parts. */
const brief = (changes) => changes.map(({ subject, change, fields }) => [subject, change, ...new Set(fields.map(({ field }) => field.split('.')[0]))]).sort();

describe('a long text', () => {
  const lengths = { 5_000: 'short', 70_000: 'long', 199_999: 'as long as is kept whole', 250_000: 'longer than that', 900_000: 'very long' };
  for (const length of Object.keys(lengths).map(Number)) {
    for (const [where, at] of Object.entries({ first: 0, middle: Math.floor(length / 2), last: length - 1 })) {
      for (const type of ['TEXT', 'BLOB']) {
        test(`of ${length} characters (${lengths[length]}) that changes in its ${where} one is an update of that field: ${type}`, async () => {
          const schema = `CREATE TABLE docs (id INTEGER PRIMARY KEY, body, title); INSERT INTO docs VALUES (1, replace(hex(zeroblob(${Math.ceil(length / 2)})), '0', 'x'), 't');
            UPDATE docs SET body = CAST(substr(body, 1, ${length}) AS ${type});`;
          const part = (...range) => `CAST(substr(body, ${range.join(', ')}) AS TEXT)`;
          const changes = await changesOf(schema, [`UPDATE docs SET body = CAST(${part(1, at)} || 'y' || ${part(at + 2)} AS ${type})`]);
          assert.deepEqual(brief(changes), [['docs', 'updated', 'body']]);
        });
      }
    }
  }

  test('that is written again as it was is no change', async () => {
    const schema = "CREATE TABLE docs (id INTEGER PRIMARY KEY, body); INSERT INTO docs VALUES (1, replace(hex(zeroblob(35000)), '0', 'x'));";
    assert.deepEqual(await changesOf(schema, ['UPDATE docs SET body = body']), []);
  });

  test('in each of twenty columns, changed by one character, is an update with twenty fields', async () => {
    const columns = Array.from({ length: 20 }, (_, index) => `c${index}`);
    await makeBase(gateway, `CREATE TABLE wide (id INTEGER PRIMARY KEY, ${columns.join(', ')}); INSERT INTO wide (id) VALUES (1);
      UPDATE wide SET ${columns.map((column) => `${column} = replace(hex(zeroblob(30000)), '0', 'x')`).join(', ')};`);
    const run = await runOf(gateway);
    const sql = `UPDATE wide SET ${columns.map((column) => `${column} = 'y' || substr(${column}, 2)`).join(', ')}`;
    const options = { headers: { 'idempotency-key': 'wide' } };
    const answer = await run.sql(sql, [], options);
    assert.deepEqual([answer.status, answer.json.result?.[0].meta.changes], [200, 1], answer.text.slice(0, 300));
    const again = await run.sql(sql, [], options);
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [200, 'true']);
    assert.deepEqual(await run.rows('SELECT substr(c0, 1, 2) AS a, substr(c19, 1, 2) AS b, length(c19) AS l FROM wide'), [{ a: 'yx', b: 'yx', l: 60_000 }]);
    const report = await run.report();
    assert.deepEqual(report.operations.map(({ outcome }) => outcome), ['done', 'done']);
    assert.deepEqual(report.changes.map(({ subject, updated, items }) => [subject, updated, items[0].fields.map(({ field }) => field).sort()]), [['wide', 1, columns.toSorted()]]);
  });
});

describe('a key without a rowid', () => {
  const nocase = "CREATE TABLE wr (k TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO wr VALUES ('a', 1), ('b', 2);";
  const anyType = 'CREATE TABLE wr (k PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO wr VALUES (1, 1), (2, 2);';
  const cases = {
    'spelled otherwise under its collation': [nocase, ["UPDATE wr SET k = 'A' WHERE k = 'a'"], [['wr', 'updated', 'k']]],
    'spelled otherwise and then changed by its new spelling': [nocase, ["UPDATE wr SET k = 'A' WHERE k = 'a'", "UPDATE wr SET v = 5 WHERE k = 'A'"], [['wr', 'updated', 'k', 'v']]],
    'spelled otherwise and back': [nocase, ["UPDATE wr SET k = 'A' WHERE k = 'a'", "UPDATE wr SET k = 'a' WHERE k = 'A'"], []],
    'replaced under its collation': [nocase, ["REPLACE INTO wr VALUES ('A', 9)"], [['wr', 'updated', 'k', 'v']]],
    'deleted by another spelling': [nocase, ["DELETE FROM wr WHERE k = 'A'"], [['wr', 'deleted', 'k', 'v']]],
    'turned from 1 into 1.0': [anyType, ['UPDATE wr SET k = 1.0 WHERE k = 1'], [['wr', 'updated', 'k']]],
    'left as it is': [anyType, ['UPDATE wr SET k = k'], []],
  };
  for (const [name, [schema, statements, expected]] of Object.entries(cases)) {
    test(`that is ${name} is one change`, async () => assert.deepEqual(brief(await changesOf(schema, statements)), expected));
  }
});

describe('a REPLACE that removes rows by a unique index on an expression', () => {
  const schema = `CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT); CREATE UNIQUE INDEX one_email ON users (lower(email)); INSERT INTO users VALUES (1, 'A@x'), (2, 'b@x');
    CREATE TABLE inbox (id INTEGER PRIMARY KEY, email TEXT); CREATE TRIGGER take AFTER INSERT ON inbox BEGIN INSERT OR REPLACE INTO users VALUES (new.id, new.email); END;`;
  const statements = ["REPLACE INTO users VALUES (9, 'a@X')", "INSERT OR REPLACE INTO users VALUES (9, 'a@X')", "UPDATE OR REPLACE users SET email = 'A@X' WHERE id = 2", "INSERT OR /**/ REPLACE INTO users VALUES (9, 'a@X')",
    "INSERT INTO inbox VALUES (9, 'a@X')"];
  for (const sql of statements) {
    test(`is refused or reported whole: ${sql}`, async () => {
      await makeBase(gateway, schema);
      const run = await runOf(gateway);
      const answer = await run.sql(sql);
      if (answer.status !== 200) return assertProblem(answer, 422, 'not_rehearsable');
      const users = (await run.changes()).filter(({ subject }) => subject === 'users').map(({ change, key }) => `${change} ${key}`);
      assert.ok(users.includes('deleted 1'), `the row 1 is gone, and the report says ${users}`);
    });
  }
  test('does not stand in the way of other writes to the table', async () => {
    assert.deepEqual(brief(await changesOf(schema, ["INSERT INTO users VALUES (3, 'c@x')", "UPDATE users SET email = 'B@x' WHERE id = 2"])), [['users', 'inserted', 'id', 'email'], ['users', 'updated', 'email']]);
  });
});

describe('a key of KV', () => {
  const later = Math.floor(Date.now() / 1000) + 7_200;
  const put = async (key, body, query = '') => {
    const run = await runOf(gateway);
    const answer = await run.call(paths.value(key, query), { method: 'PUT', body });
    assert.equal(answer.status, 200, answer.text);
    return (await run.changes()).map(({ change, key: changed, fields }) => [change, changed, ...fields.map(({ field }) => field)]);
  };
  const long = (length, at) => `${'v'.repeat(at)}w${'v'.repeat(length - at - 1)}`;
  for (const length of [3_999, 5_000, 70_000]) {
    for (const at of [0, Math.floor(length / 2), length - 1]) {
      test(`whose value of ${length} characters changes at ${at} is an update`, async () => {
        await gateway.cache.put('long', 'v'.repeat(length));
        assert.deepEqual(await put('long', long(length, at)), [['updated', 'long', 'value']]);
      });
    }
  }

  test('that loses its expiration is an update, with the expiration that it had', async () => {
    // One more that begins so: the list by which the expiration is found must not mistake it.
    await gateway.cache.put('ends', 'same', { expiration: later });
    await gateway.cache.put('ends-not', 'same');
    const run = await runOf(gateway);
    assert.equal((await run.put('ends', 'same')).status, 200);
    const [{ change, key, fields }] = await run.changes();
    assert.deepEqual([change, key, fields], ['updated', 'ends', [{ field: 'expiration', before: later }]]);
    assert.equal((await run.get('ends')).headers.get('expiration'), null);
  });

  test('that gets, keeps or changes its expiration is what it is', async () => {
    await gateway.cache.put('ends', 'same', { expiration: later });
    await gateway.cache.put('stays', 'same');
    assert.deepEqual(await put('stays', 'same', `?expiration=${later}`), [['updated', 'stays', 'expiration']]);
    assert.deepEqual(await put('ends', 'same', `?expiration=${later}`), []);
    assert.deepEqual(await put('ends', 'same', `?expiration=${later + 60}`), [['updated', 'ends', 'expiration']]);
    assert.deepEqual(await put('stays', 'same'), []);
  });

  test('that loses its expiration in a bulk put is an update too', async () => {
    await gateway.cache.put('ends', 'same', { expiration: later });
    const run = await runOf(gateway);
    assert.equal((await run.call(paths.kv('bulk'), { method: 'PUT', json: [{ key: 'ends', value: 'same' }] })).status, 200);
    assert.deepEqual((await run.changes()).map(({ change, fields }) => [change, ...fields.map(({ field }) => field)]), [['updated', 'expiration']]);
  });
});
