// Prisma: its schema engine over its own adapter for D1 (`prisma db push`), and the SQL that it writes for a changed schema (`prisma migrate diff`)
// through wrangler. It rebuilds tables between PRAGMA defer_foreign_keys=ON, foreign_keys=OFF and their opposites.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { projectFolder, readWranglerToml } from '../e2e/harness/settings.mjs';
import { reportOf } from '../e2e/helpers.mjs';
import { account, dryRun, folderWith, inBothModes, leavesTargetsAlone, liveRun, runProgram, startStage } from './support.mjs';
import { columnsOf, definitionsOf, queryIn } from './schema.mjs';
import { configuration, wranglerProject } from './wrangler.mjs';

const { DB } = readWranglerToml().vars.STORES;
const clients = path.join(projectFolder, 'tests/clients');

const first = `
generator client {
  provider = "prisma-client"
}
datasource db {
  provider = "sqlite"
}
model User {
  id    Int    @id @default(autoincrement())
  email String @unique
  name  String?
  notes Note[]
}
model Note {
  id     Int    @id @default(autoincrement())
  text   String
  userId Int
  user   User   @relation(fields: [userId], references: [id], onDelete: Cascade)
  @@index([userId])
}
`;
const second = first
  .replace('name  String?', 'name  String  @default("pragma_once")\n  score Float?')
  .replace('text   String', 'text   String?\n  pinned Boolean @default(false)');
const expected = {
  User: ['id INTEGER 1 null 1', 'email TEXT 1 null 0', "name TEXT 1 'pragma_once' 0", 'score REAL 0 null 0'],
  Note: ['id INTEGER 1 null 1', 'text TEXT 0 null 0', 'pinned BOOLEAN 1 false 0', 'userId INTEGER 1 null 0'],
};

/** Prisma's engine for one database and run. */
function prisma(stage, token, database) {
  const folder = folderWith({ 'first.prisma': first, 'second.prisma': second });
  const run = async (...args) => {
    const ended = await runProgram(process.execPath, ['--require', path.join(clients, 'api_host.cjs'), path.join(clients, 'prisma_engine.mjs'), ...args], {
      cwd: folder.folder, env: { ACCOUNT: account, DATABASE: database, TOKEN: token, API_HOST_BASE: stage.url },
    });
    assert.equal(ended.code, 0, ended.output);
    return JSON.parse(ended.stdout.trim().split('\n').at(-1));
  };
  return { run, remove: folder.remove };
}

const rows = [
  `INSERT INTO "User" (id, email, name) VALUES (1, 'ada@example.com', 'Ada'), (2, 'bob@example.com', NULL)`,
  `INSERT INTO "Note" (id, text, userId) VALUES (1, 'one', 1), (2, 'two', 1), (3, 'three', 2)`,
];

async function assertRebuilt(query) {
  for (const [table, columns] of Object.entries(expected)) assert.deepEqual((await columnsOf(query, table)).sort(), [...columns].sort(), table);
  assert.deepEqual(await query('SELECT id, email, name FROM "User" ORDER BY id'), [[1, 'ada@example.com', 'Ada'], [2, 'bob@example.com', 'pragma_once']]);
  assert.deepEqual(await query('PRAGMA foreign_key_check'), []);
}

describe('Prisma', () => {
  let stage;
  before(async () => (stage = await startStage({ databases: ['SECOND'] })));
  after(() => stage?.stop());
  const left = {};

  inBothModes(() => stage, 'db push makes the schema, changes it, and then finds nothing to do', async ({ token, run, dry }) => {
    const tool = prisma(stage, token, DB.id);
    const query = queryIn(stage, token, DB.id);
    try {
      assert.ok((await tool.run('push', 'first.prisma')).executedSteps > 0);
      for (const sql of rows) await query(sql);
      assert.ok((await tool.run('push', 'second.prisma')).executedSteps > 0);
      await assertRebuilt(query);
      assert.deepEqual(await tool.run('push', 'second.prisma'), { executedSteps: 0, unexecutable: [], warnings: [] });
      left[dry ? 'dry' : 'live'] = [await definitionsOf(query), await query('SELECT * FROM "Note"'), await query('SELECT * FROM "User"')];
      const { hazards } = await reportOf(stage, run.id);
      assert.ok(hazards.some(({ kind }) => kind === 'foreign_keys_stay_on'), JSON.stringify(hazards));
    } finally {
      tool.remove();
    }
  }, () => assert.deepEqual(left.dry, left.live, 'the dry run ended as the live one'));

  test('wrangler applies what migrate diff writes, in a dry run and live', async () => {
    const tool = prisma(stage, (await dryRun(stage)).token, DB.id);
    const [before, changed] = [(await tool.run('diff', '-', 'first.prisma')).stdout, (await tool.run('diff', 'first.prisma', 'second.prisma')).stdout];
    tool.remove();
    assert.match(changed, /PRAGMA defer_foreign_keys=ON;\s*PRAGMA foreign_keys=OFF;/);
    const ends = [];
    for (const run of [await dryRun(stage), await liveRun(stage)]) {
      const query = queryIn(stage, run.token, 'second-id');
      const migrations = folderWith({ '0001_first.sql': before });
      const wrangler = wranglerProject(stage.base, {}, configuration.replace('database_id = "second-id"', `database_id = "second-id"\nmigrations_dir = "${migrations.folder}"`));
      const apply = async () => {
        const applied = await wrangler.using(run.token)('d1', 'migrations', 'apply', 'SECOND', '--remote');
        assert.equal(applied.code, 0, applied.output);
      };
      const work = async () => {
        await apply();
        for (const sql of rows) await query(sql);
        writeFileSync(migrations.at('0002_second.sql'), changed);
        await apply();
        await assertRebuilt(query);
        ends.push([await definitionsOf(query), await query('SELECT * FROM "Note"')]);
      };
      try {
        if (ends.length === 0) await leavesTargetsAlone(stage, work);
        else await work();
      } finally {
        wrangler.remove();
        migrations.remove();
      }
    }
    assert.deepEqual(ends[0], ends[1]);
  });
});
