// Gateways with two D1 databases, and with none: every command that works on one says which there are, takes the one that is named, and touches no other.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { environmentSettings } from '../e2e/harness/settings.mjs';
import { twoEnvironments } from './helpers.mjs';

describe('two databases', { timeout: 300_000 }, () => {
  let staging;
  let production;
  let project;
  let stop;
  before(async () => {
    ({ staging, production, project, stop } = await twoEnvironments({ databases: ['AUDIT'] }));
    for (const { db, audit } of [staging, production]) {
      await db.exec('CREATE TABLE tickets (id INTEGER PRIMARY KEY, subject TEXT)');
      await audit.exec('CREATE TABLE entries (id INTEGER PRIMARY KEY, who TEXT)');
    }
    await production.db.exec("INSERT INTO tickets VALUES (1, 'printer')");
    await production.audit.exec("INSERT INTO entries VALUES (1, 'ada')");
    mkdirSync(path.join(project.folder, 'audit'));
    writeFileSync(path.join(project.folder, 'audit/0001_when.sql'), 'ALTER TABLE entries ADD COLUMN at TEXT;');
  });
  after(() => stop?.());

  const readBy = (gateway) => new Set(gateway.recorder.requests.map(({ store }) => store).filter((store) => ['DB', 'AUDIT'].includes(store)));

  test('a rehearsal runs in the one that is named, by binding or name, and in no other', async () => {
    for (const name of ['AUDIT', 'audit-database', 'audit-id-production']) {
      production.recorder.clear();
      const said = await project.run(['rehearse', 'audit', '--from', 'production', '--database', name, '--json']);
      assert.deepEqual([said.code, said.json?.database, said.json?.files.length], [0, 'AUDIT', 1], said.stderr);
      assert.deepEqual(readBy(production), new Set(['AUDIT']));
    }
    const wrong = await project.run(['rehearse', 'audit', '--from', 'production', '--database', 'DB', '--json']);
    assert.deepEqual([wrong.code, /no such table: entries/.test(wrong.stdout)], [1, true], wrong.stdout);
  });

  test('a mirror copies the one that is named to the same binding, and leaves the other alone', async () => {
    const before = await staging.db.all('SELECT * FROM tickets');
    writeFileSync(path.join(project.folder, 'scrub.toml'), '[tables.entries]\nwho = "keep"\n');
    const said = await project.run(['mirror', '--from', 'production', '--to', 'staging', '--scrub', 'scrub.toml', '--database', 'AUDIT', '--json']);
    assert.equal(said.code, 0, said.stdout + said.stderr);
    assert.deepEqual(await staging.audit.all('SELECT * FROM entries'), [{ id: 1, who: 'ada' }]);
    assert.deepEqual(await staging.db.all('SELECT * FROM tickets'), before);
  });

  test('without a name both are asked for one, and nothing is run', async () => {
    const runs = async () => (await production.api('/v1/runs', { key: 'agent' })).json.runs.length;
    const before = await runs();
    for (const args of [['rehearse', 'audit', '--from', 'production'], ['mirror', '--from', 'production', '--to', 'staging', '--dry-run']]) {
      const said = await project.run(args);
      assert.deepEqual([said.code, /The production gateway has 2 databases[^]*Name one with --database: AUDIT, DB\./.test(said.stderr)], [2, true], said.stderr);
    }
    assert.equal(await runs(), before);
  });

  test('a smoke test looks at each', async () => {
    const said = await project.run(['smoke', '--json'], { env: { DRYRUN_ENV: 'staging' } });
    assert.equal(said.code, 0, said.stdout + said.stderr);
    for (const database of ['AUDIT', 'DB']) assert.ok(said.json.steps.some(({ name }) => name === `${database}: untouched`), said.stdout);
  });
});

describe('no database', { timeout: 300_000 }, () => {
  let project;
  let stop;
  before(async () => {
    const { CACHE } = environmentSettings('staging').vars.STORES;
    ({ project, stop } = await twoEnvironments({ vars: { STORES: { CACHE } } }));
    writeFileSync(path.join(project.folder, 'one.sql'), 'SELECT 1;');
  });
  after(() => stop?.());

  test('is said by what needs one', async () => {
    for (const args of [['rehearse', 'one.sql', '--from', 'production'], ['rehearse', 'one.sql', '--from', 'production', '--database', 'DB'], ['mirror', '--from', 'production', '--to', 'staging', '--dry-run']]) {
      const said = await project.run(args);
      assert.deepEqual([said.code, /The production gateway has no D1 database; nothing was run\.[^]*STORES in wrangler\.toml/.test(said.stderr)], [2, true], said.stderr);
    }
  });

  test('is nothing to compare, and a smoke test looks at what there is', async () => {
    const drift = await project.run(['drift']);
    assert.deepEqual([drift.code, /there is nothing to compare/.test(drift.stdout)], [0, true], drift.stderr);
    const smoke = await project.run(['smoke', '--json'], { env: { DRYRUN_ENV: 'staging' } });
    assert.equal(smoke.code, 0, smoke.stdout + smoke.stderr);
  });
});
