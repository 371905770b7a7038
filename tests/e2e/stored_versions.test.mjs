// What an older version stored is migrated when its object wakes; what a newer one stored is left alone.
// The folders fixtures/v<number> hold objects as that version wrote them: see fixtures/make.mjs.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, reportOf } from './helpers.mjs';

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');
const versions = readdirSync(fixtures).filter((name) => /^v\d+$/.test(name));
const newest = 2;
const kinds = ['RunObject', 'ShadowObject'];
const folders = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** The one object of a class: its file. */
function fileOf(state, kind) {
  const folder = path.join(state, 'objects', `dryrun-gateway-staging-${kind}`);
  const [name, ...others] = readdirSync(folder).filter((file) => file.endsWith('.sqlite') && file !== 'metadata.sqlite');
  assert.deepEqual(others, []);
  return path.join(folder, name);
}

function inFile(state, kind, use) {
  const database = new DatabaseSync(fileOf(state, kind));
  try {
    return use(database);
  } finally {
    database.close();
  }
}

function versionIn(state, kind) {
  const row = inFile(state, kind, (database) => database.prepare("SELECT value FROM _cf_KV WHERE key = 'version'").get());
  return row && deserialize(row.value);
}

/** A copy of a fixture whose run has an hour to live. */
function copyOf(version) {
  const state = mkdtempSync(path.join(tmpdir(), 'dryrun-stored-'));
  folders.push(state);
  cpSync(path.join(fixtures, version), state, { recursive: true });
  inFile(state, 'RunObject', (database) => {
    const run = JSON.parse(database.prepare('SELECT run FROM run').get().run);
    database.prepare('UPDATE run SET run = ?').run(JSON.stringify({ ...run, expires_at: Date.now() + 3_600_000 }));
  });
  return state;
}

/** A gateway on that copy, with the stores as they were when the fixture was made. */
async function started(state) {
  const gateway = await startGateway({ state });
  await gateway.db.exec("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO things VALUES (1, 'one'), (2, 'two')");
  await gateway.cache.put('kept', 'real');
  await gateway.files.put('real.txt', 'real');
  return gateway;
}

const open = (gateway) => openRun(gateway, { id: 'stored-before', expires_in: 604_800 });
const rowsOf = async (agent) => (await agent.sql('SELECT id, name FROM things ORDER BY id')).json.result[0].results;

for (const version of versions) {
  describe(`a run that version ${version.slice(1)} stored`, () => {
    test('is read, continued and reported, and recorded as of the newest version', async () => {
      const state = copyOf(version);
      const gateway = await started(state);
      try {
        const before = await gateway.digest();
        const run = await open(gateway);
        assert.equal(run.mode, 'dry_run');
        const agent = agentOf(gateway, run.token);
        assert.deepEqual(await rowsOf(agent), [{ id: 1, name: 'ONE' }, { id: 2, name: 'two' }, { id: 3, name: 'three' }]);
        assert.equal((await agent.get('planned')).text, 'planned value');
        assert.equal((await agent.get('kept')).status, 404);
        assert.equal((await agent.getObject('small.txt')).text, 'small');
        assert.equal((await agent.getObject('long.bin')).text, 'x'.repeat(70_000));

        const again = await agent.sql("INSERT INTO things (name) VALUES ('three')", undefined, { headers: { 'idempotency-key': 'third' } });
        assert.equal(again.status, 200, again.text);
        assert.equal((await rowsOf(agent)).length, 3, 'what was answered before is answered again, and not done twice');

        assert.equal((await agent.sql("DELETE FROM things WHERE id = 2")).status, 200);
        assert.equal((await agent.put('after', 'x')).status, 200);
        const report = await reportOf(gateway, run.id);
        const changed = report.changes.flatMap(({ subject, items }) => items.map(({ key, change }) => `${change} ${subject} ${key}`));
        assert.deepEqual(changed.toSorted(), [
          'deleted keys kept', 'deleted things 2', 'inserted keys after', 'inserted keys planned', 'inserted objects long.bin',
          'inserted objects small.txt', 'inserted things 3', 'updated things 1',
        ]);
        assert.deepEqual(report.operations.map(({ position }) => position), report.operations.map((_, index) => index + 1));
        assert.equal(await gateway.digest(), before);
      } finally {
        await gateway.stop();
      }
      for (const kind of kinds) assert.equal(versionIn(state, kind), newest, kind);
    });
  });
}

for (const kind of kinds) {
  test(`a ${kind} of a newer version is refused and left as it is`, async () => {
    const state = copyOf(versions.at(-1));
    const store = (value) => inFile(state, kind, (database) => {
      database.exec('CREATE TABLE IF NOT EXISTS _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID');
      database.prepare("INSERT OR REPLACE INTO _cf_KV VALUES ('version', ?)").run(value);
    });
    store(serialize(newest + 1));
    const content = () => inFile(state, kind, (database) => database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '_cf_*'").all()
      .map(({ name }) => [name, database.prepare(`SELECT * FROM "${name}"`).all()]));
    const before = JSON.stringify(content(), (_, value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value));
    const gateway = await started(state);
    try {
      const stores = await gateway.digest();
      if (kind === 'RunObject') {
        const answer = await gateway.api('/v1/runs/stored-before', { key: 'operator' });
        assertProblem(answer, 503, 'run_unavailable');
        assert.match(answer.json.detail, /version 3, and this gateway knows versions up to 2; nothing was read or written/);
        assertProblem(await gateway.api('/v1/runs', { key: 'agent', json: { id: 'stored-before', expires_in: 604_800 } }), 503, 'run_unavailable');
      } else {
        const agent = agentOf(gateway, (await open(gateway)).token);
        assertProblem(await agent.sql("DELETE FROM things"), 503, 'run_unavailable');
        assert.equal((await agent.get('planned')).text, 'planned value', 'the rest of the run is not affected');
      }
      assert.equal(await gateway.digest(), stores);
      assert.match(gateway.logs(), /stored version 3/);
    } finally {
      await gateway.stop();
    }
    const left = JSON.stringify(content(), (_, value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value));
    if (kind === 'RunObject') assert.equal(left, before);
    assert.equal(versionIn(state, kind), newest + 1);
  });
}

test('a version that cannot be read is refused', async () => {
  const state = copyOf(versions.at(-1));
  inFile(state, 'RunObject', (database) => {
    database.exec('CREATE TABLE IF NOT EXISTS _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID');
    database.prepare("INSERT OR REPLACE INTO _cf_KV VALUES ('version', ?)").run(serialize('two'));
  });
  const gateway = await started(state);
  try {
    assertProblem(await gateway.api('/v1/runs/stored-before', { key: 'operator' }), 503, 'run_unavailable');
  } finally {
    await gateway.stop();
  }
});
