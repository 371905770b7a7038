// Which folder of migrations is for which database of a promotion, and the real command on a gateway with two.

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { targets } from '../../scripts/delivery/rehearse.mjs';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { inProject, newFolder, script } from './helpers.mjs';

describe('TARGET_MIGRATIONS', () => {
  const two = ['MAIN_DB', 'AUDIT_DB'];

  test('names a folder for each database, or one folder where there is one database', () => {
    for (const [text, bindings, expected] of [
      ['db/main', ['DB'], [['DB', 'db/main']]],
      ['DB=db/main', ['DB'], [['DB', 'db/main']]],
      ['MAIN_DB=db/main AUDIT_DB=db/audit', two, [['MAIN_DB', 'db/main'], ['AUDIT_DB', 'db/audit']]],
      ['\n AUDIT_DB=db/audit,\n', two, [['AUDIT_DB', 'db/audit']]],
      ['MAIN_DB=a=b', two, [['MAIN_DB', 'a=b']]],
      ['MAIN_DB=--json', two, [['MAIN_DB', '--json']]],
    ]) {
      assert.deepEqual(targets(text, bindings).map(({ binding, folder }) => [binding, folder]), expected, text);
    }
  });

  test('that does not say which is for which is refused', () => {
    for (const [text, bindings, said] of [
      ['db/main', two, /does not say which database db\/main is for; wrangler\.toml has MAIN_DB, AUDIT_DB/],
      ['db/main', [], /does not say which .* has none/],
      ['db/main db/other', ['DB'], /does not say which database db\/main/],
      ['MAIN_DB=db/main db/audit', two, /does not say which database db\/audit/],
      ['OTHER=db/main', two, /names OTHER; the D1 databases .* MAIN_DB, AUDIT_DB/],
      ['MAIN_DB=a MAIN_DB=b', two, /names MAIN_DB twice/],
    ]) {
      assert.throws(() => targets(text, bindings), said, text);
    }
  });
});

describe('a rehearsal of two databases', { timeout: 120_000 }, () => {
  const folder = newFolder('rehearse');
  let gateway;
  before(async () => {
    gateway = await startGateway({ environment: 'production', databases: ['MAIN_DB', 'AUDIT_DB', 'EXTRA_DB'] });
    await gateway.main_db.exec('CREATE TABLE tickets (id INTEGER PRIMARY KEY)');
    await gateway.audit_db.exec('CREATE TABLE entries (id INTEGER PRIMARY KEY); INSERT INTO entries VALUES (1)');
    const described = ['MAIN_DB', 'AUDIT_DB', 'EXTRA_DB'].map((name) => `${name} = { kind = "d1", name = "${name}", id = "${name}" }`).join('\n');
    const files = {
      'wrangler.toml': `[env.production.vars.STORES]\n${described}\nCACHE = { kind = "kv", name = "c", id = "c" }\n`,
      'dryrun.toml': `[production]\nurl = "${gateway.url}"\nkey = { variable = "PRODUCTION_KEY" }\n`,
      'main/0001_fails.sql': 'ALTER TABLE nowhere ADD COLUMN a;',
      'audit/0001_at.sql': 'ALTER TABLE entries ADD COLUMN at TEXT;',
    };
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), text);
    }
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await gateway?.stop();
  });
  const rehearse = (text) => script('rehearse.mjs', [inProject('target/debug/dryrun')], {
    cwd: folder, env: { DRYRUN_ENV: 'production', PRODUCTION_KEY: gateway.keys.agent, TARGET_MIGRATIONS: text },
  });

  test('goes through both, also when the first one fails, and says which one nobody rehearsed', async () => {
    const before = await gateway.digest();
    const { code, page } = await rehearse('MAIN_DB=main AUDIT_DB=audit');
    assert.equal(code, 1);
    assert.match(page, /^## Rehearsal of MAIN_DB: failed \(exit code 1\)\n[^]*no such table: nowhere[^]*^## Rehearsal of AUDIT_DB: ok\n[^]*0001_at\.sql[^]*^Not rehearsed.*: EXTRA_DB$/m);
    assert.equal(await gateway.digest(), before);
  });

  test('passes when all pass', async () => assert.equal((await rehearse('AUDIT_DB=audit')).code, 0));

  test('is not begun when it is not clear what is for what', async () => {
    const { code, stderr, page } = await rehearse('main');
    assert.deepEqual([code, page], [1, '']);
    assert.match(stderr, /does not say which database main is for[^]*Write it as BINDING=folder/);
  });
});
