// drizzle-kit, unmodified but for the address in its code: push and migrate over d1-http, and what it generates through wrangler. A changed schema
// makes it rebuild tables between PRAGMA foreign_keys=OFF and ON, which does nothing on D1: what that costs is in the report.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { projectFolder, readWranglerToml } from '../e2e/harness/settings.mjs';
import { reportOf } from '../e2e/helpers.mjs';
import { account, dryRun, folderWith, inBothModes, leavesTargetsAlone, liveRun, runProgram, startStage } from './support.mjs';
import { columnsOf, definitionsOf, queryIn } from './schema.mjs';
import { configuration, wranglerProject } from './wrangler.mjs';

const { DB } = readWranglerToml().vars.STORES;
const kit = path.join(projectFolder, 'node_modules/drizzle-kit/bin.cjs');
const first = readFileSync(new URL('./drizzle_schema.mjs', import.meta.url), 'utf8');

/** The parent becomes stricter and the child looser: neither can be done without a new table. */
const second = first
  .replace("balance: real(),", "balance: real().notNull().default(0),")
  .replace("subject: text().notNull(),", "subject: text().default('pragma_once'),\n  priority: integer().notNull().default(3),");
/** push makes the indexes of a rebuilt table twice (0.31.11), which no SQLite takes: for it there are none. */
const withoutIndexes = (schema) => schema.replace('.unique()', '').replace(/, \(table\) => \[index.*\]\)/, ')');
const expected = {
  customers: ['id INTEGER 1 null 1', 'email TEXT 1 null 0', "plan TEXT 1 'free' 0", 'balance REAL 1 0 0', 'active INTEGER 1 true 0', 'tags TEXT 0 null 0', 'joined INTEGER 1 unixepoch() 0'],
  tickets: ['id INTEGER 1 null 1', 'customer_id INTEGER 1 null 0', "subject TEXT 0 'pragma_once' 0", 'priority INTEGER 1 3 0'],
};

/** A folder with a schema, and drizzle-kit in it for one run. */
function project(stage, token, { database = DB.id, schema = (text) => text } = {}) {
  const credentials = { accountId: account, databaseId: database, token };
  const made = folderWith({
    'drizzle.config.json': JSON.stringify({ dialect: 'sqlite', driver: 'd1-http', schema: './schema.mjs', out: './drizzle', dbCredentials: credentials }),
    'schema.mjs': schema(first),
  });
  symlinkSync(path.join(projectFolder, 'node_modules'), made.at('node_modules'));
  const env = { NODE_OPTIONS: `--require ${path.join(projectFolder, 'tests/clients/api_host.cjs')}`, API_HOST_BASE: stage.url };
  const run = async (...args) => {
    const ended = await runProgram(process.execPath, [kit, ...args, '--config', 'drizzle.config.json'], { cwd: made.folder, env });
    assert.equal(ended.code, 0, ended.output);
    return ended.output;
  };
  return { ...made, kit: run, change: () => writeFileSync(made.at('schema.mjs'), schema(second)) };
}

const rows = [
  "INSERT INTO customers (id, email, balance) VALUES (1, 'ada@example.com', 1.5), (2, 'bob@example.com', 2)",
  "INSERT INTO tickets VALUES (1, 1, 'one'), (2, 1, 'two'), (3, 2, 'three')",
];

/** What the run sees in the end is the second schema; the tickets went with the customers that they refer to. */
async function assertRebuilt(query) {
  for (const [table, columns] of Object.entries(expected)) assert.deepEqual(await columnsOf(query, table), columns, table);
  assert.deepEqual(await query('SELECT id, email, balance FROM customers ORDER BY id'), [[1, 'ada@example.com', 1.5], [2, 'bob@example.com', 2]]);
  assert.deepEqual(await query('PRAGMA foreign_key_check'), []);
}

describe('drizzle-kit', () => {
  let stage;
  before(async () => (stage = await startStage({ databases: ['SECOND'] })));
  after(() => stage?.stop());
  const left = {};

  /** The report of a dry run says what PRAGMA foreign_keys=OFF did not prevent. */
  async function assertTold(run, tickets) {
    const { hazards } = await reportOf(stage, run.id);
    const off = hazards.find(({ kind }) => kind === 'foreign_keys_stay_on');
    assert.match(off?.message ?? JSON.stringify(hazards), new RegExp(`has no effect on D1.*DROP TABLE customers also removed ${tickets} rows of tickets`));
  }

  inBothModes(() => stage, 'push makes the schema, changes it, and then finds nothing to do', async ({ token, run, dry }) => {
    const made = project(stage, token, { schema: withoutIndexes });
    const query = queryIn(stage, token, DB.id);
    try {
      assert.match(await made.kit('push', '--force'), /Changes applied/);
      for (const sql of rows) await query(sql);
      made.change();
      assert.match(await made.kit('push', '--force'), /Changes applied/);
      await assertRebuilt(query);
      assert.match(await made.kit('push', '--force'), /No changes detected/);
      left[dry ? 'dry' : 'live'] = [await definitionsOf(query), await query('SELECT * FROM tickets'), await query('SELECT id, email FROM customers')];
      if (dry) await assertTold(run, 3);
    } finally {
      made.remove();
    }
  }, () => assert.deepEqual(left.dry, left.live, 'the dry run ended as the live one'));

  test('migrate applies what it generated, and then what changed, in a dry run and live', async () => {
    const ends = [];
    for (const run of [await dryRun(stage), await liveRun(stage)]) {
      const made = project(stage, run.token, { database: 'second-id' });
      const query = queryIn(stage, run.token, 'second-id');
      const work = async () => {
        await made.kit('generate', '--name', 'first');
        await made.kit('migrate');
        for (const sql of rows) await query(sql);
        made.change();
        await made.kit('generate', '--name', 'second');
        assert.equal(readdirSync(made.at('drizzle')).filter((file) => file.endsWith('.sql')).length, 2);
        await made.kit('migrate');
        await made.kit('migrate');
        await assertRebuilt(query);
        assert.deepEqual(await query('SELECT count(*) FROM __drizzle_migrations'), [[2]]);
        ends.push([await definitionsOf(query), await query('SELECT * FROM tickets')]);
      };
      try {
        if (ends.length === 0) await leavesTargetsAlone(stage, work);
        else await work();
        if (ends.length === 1) await assertTold(run, 3);
      } finally {
        made.remove();
      }
    }
    assert.deepEqual(ends[0], ends[1]);
  });

  test('wrangler applies what it generated for a changed schema, in a dry run and live', async () => {
    const made = project(stage, 'none');
    await made.kit('generate', '--name', 'first');
    made.change();
    await made.kit('generate', '--name', 'second');
    const generated = readdirSync(made.at('drizzle')).filter((file) => file.endsWith('.sql')).sort();
    const [before, changed] = generated.map((file) => readFileSync(made.at(`drizzle/${file}`), 'utf8'));
    assert.match(changed, /PRAGMA foreign_keys=OFF/);
    const wrangler = wranglerProject(stage.base, {}, configuration.replace('database_id = "second-id"', `database_id = "second-id"\nmigrations_dir = "${made.at('drizzle')}"\nmigrations_table = "applied"`));
    try {
      await stage.second.exec(['tickets', 'customers', '__drizzle_migrations'].map((table) => `DROP TABLE IF EXISTS ${table};`).join(' '));
      const ends = [];
      for (const run of [await dryRun(stage), await liveRun(stage)]) {
        const query = queryIn(stage, run.token, 'second-id');
        const work = async () => {
          for (const sql of before.split('--> statement-breakpoint')) await query(sql);
          for (const sql of rows) await query(sql);
          await query("CREATE TABLE applied (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)");
          await query('INSERT INTO applied (name) VALUES (?)', [generated[0]]);
          const applied = await wrangler.using(run.token)('d1', 'migrations', 'apply', 'SECOND', '--remote');
          assert.equal(applied.code, 0, applied.output);
          await assertRebuilt(query);
          ends.push([await definitionsOf(query), await query('SELECT * FROM tickets')]);
        };
        if (ends.length === 0) await leavesTargetsAlone(stage, work);
        else await work();
        if (ends.length === 1) await assertTold(run, 3);
      }
      assert.deepEqual(ends[0], ends[1]);
    } finally {
      wrangler.remove();
      made.remove();
    }
  });
});
