// drizzle, unmodified: drizzle-orm's sqlite-proxy over /raw, and a migration of drizzle-kit's, rehearsed in a dry run and then done for real.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { count, desc, eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/sqlite-proxy';
import { migrate } from 'drizzle-orm/sqlite-proxy/migrator';
import { readWranglerToml, projectFolder } from '../e2e/harness/settings.mjs';
import { account, assertShows, counting, dryRun, folderWith, inBothModes, leavesTargetsAlone, liveRun, runProgram, startStage } from './support.mjs';
import { caseNames, checkCase, startRefusals } from './refusals.mjs';
import * as schema from './drizzle_schema.mjs';
import { configuration, wranglerProject } from './wrangler.mjs';

const { customers, tickets } = schema;
const { DB } = readWranglerToml().vars.STORES;

/** What a user of sqlite-proxy writes: one function that posts, used for one statement and for a batch. */
function connect(stage, token, database = DB.id) {
  const post = async (body) => {
    const response = await fetch(`${stage.base}/accounts/${account}/d1/database/${database}/raw`, {
      method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify(body),
    });
    const { success, result, detail, remedy } = await response.json();
    if (!success) throw new Error(`${detail} ${remedy}`.trim());
    return result.map(({ results }) => results.rows);
  };
  const shaped = (rows, method) => ({ rows: method === 'get' ? rows[0] : rows });
  const db = drizzle(
    async (statement, params, method) => shaped((await post({ sql: statement, params }))[0], method),
    async (batch) => (await post({ batch: batch.map(({ sql: statement, params }) => ({ sql: statement, params })) })).map((rows, index) => shaped(rows, batch[index].method)),
    { schema },
  );
  return { db, post };
}

let project;
before(async () => {
  project = folderWith({
    'drizzle.config.json': JSON.stringify({ dialect: 'sqlite', schema: './schema.mjs', out: './drizzle' }),
    'schema.mjs': readFileSync(new URL('./drizzle_schema.mjs', import.meta.url), 'utf8'),
  });
  symlinkSync(path.join(projectFolder, 'node_modules'), project.at('node_modules'));
  const generated = await runProgram(process.execPath, [path.join(projectFolder, 'node_modules/drizzle-kit/bin.cjs'), 'generate', '--config', 'drizzle.config.json', '--name', 'support_desk'], { cwd: project.folder });
  assert.equal(generated.code, 0, generated.output);
  assert.deepEqual(readdirSync(project.at('drizzle')).sort(), ['0000_support_desk.sql', 'meta'], generated.output);
});
after(() => project?.remove());

describe('drizzle', () => {
  let stage;
  before(async () => (stage = await startStage({ databases: ['SECOND'] })));
  after(() => stage?.stop());
  const tables = async (database) => (await database.all("SELECT name FROM sqlite_master WHERE type IN ('table', 'index') AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*' ORDER BY name")).map(({ name }) => name);
  const made = ['__drizzle_migrations', 'customers', 'customers_email_unique', 'tickets', 'tickets_by_customer'];

  inBothModes(() => stage, 'its own migrator applies what drizzle-kit generated, once', async ({ token }) => {
    const { db, post } = connect(stage, token);
    const apply = () => migrate(db, (queries) => (queries.length === 0 ? undefined : post({ batch: queries.map((query) => ({ sql: query })) })), { migrationsFolder: project.at('drizzle') });
    await apply();
    await db.insert(customers).values({ email: 'first@example.com' });
    await apply();
    assert.deepEqual(await db.select({ email: customers.email }).from(customers), [{ email: 'first@example.com' }]);
    await db.delete(customers);
  }, async () => assert.deepEqual(await tables(stage.db), made));

  inBothModes(() => stage, 'select, insert … returning, update, delete and batch', async ({ token }) => {
    const { db } = connect(stage, token);
    const [ada, bob] = await db.insert(customers).values([{ email: 'ada@example.com', tags: ['a', { b: 1 }], balance: 1.5 }, { email: 'bob@example.com', active: false }]).returning();
    assert.deepEqual([ada.tags, ada.balance, ada.active, ada.plan], [['a', { b: 1 }], 1.5, true, 'free']);
    assert.deepEqual([bob.tags, bob.balance, bob.active], [null, null, false]);
    assert.ok(Math.abs(ada.joined - Date.now()) < 120_000, `${ada.joined}`);

    const [inserted, updated, found, one] = await db.batch([
      db.insert(tickets).values([{ customerId: ada.id, subject: 'first' }, { customerId: ada.id, subject: 'second' }, { customerId: bob.id, subject: 'third' }]).returning({ id: tickets.id }),
      db.update(customers).set({ plan: 'pro' }).where(eq(customers.id, ada.id)).returning({ plan: customers.plan }),
      db.select({ email: customers.email, tickets: count(tickets.id) }).from(customers).innerJoin(tickets, eq(tickets.customerId, customers.id)).groupBy(customers.id).orderBy(desc(count(tickets.id))),
      db.query.customers.findFirst({ where: eq(customers.id, bob.id), columns: { email: true } }),
    ]);
    assert.deepEqual([inserted.length, updated, found, one], [3, [{ plan: 'pro' }], [{ email: 'ada@example.com', tickets: 2 }, { email: 'bob@example.com', tickets: 1 }], { email: 'bob@example.com' }]);

    await db.delete(customers).where(eq(customers.id, bob.id));
    const everybody = await db.query.customers.findMany({ with: { tickets: { columns: { subject: true } } }, columns: { email: true, plan: true } });
    assert.deepEqual(everybody, [{ email: 'ada@example.com', plan: 'pro', tickets: [{ subject: 'first' }, { subject: 'second' }] }]);
    assert.equal(await db.select().from(customers).where(eq(customers.id, 12_345)).get(), undefined);

    // A batch is one transaction: its first statement goes with the second.
    await assert.rejects(db.batch([db.delete(tickets), db.insert(customers).values({ email: 'ada@example.com' })]), /UNIQUE constraint failed: customers\.email/);
    assert.equal(await db.$count(tickets), 2);
  }, async () => {
    assert.deepEqual(await stage.db.all('SELECT email, plan, tags FROM customers'), [{ email: 'ada@example.com', plan: 'pro', tags: '["a",{"b":1}]' }]);
    assert.deepEqual(await stage.db.all('SELECT subject FROM tickets'), [{ subject: 'first' }, { subject: 'second' }]);
  });

  test('a transaction over requests is refused before its first statement, with what to do instead', async () => {
    const { token } = await dryRun(stage);
    const { db } = connect(stage, token);
    const { result: error, requests } = await counting(stage, () => db.transaction((inside) => inside.delete(customers)).then(() => assert.fail('a transaction began'), (caught) => caught));
    assertShows(`${error.message} ${error.cause.message}`, 'Failed query: begin', 'not allowed', 'batch');
    assert.equal(requests.length, 1);
    assert.equal(await db.$count(customers), 1);
  });

  test('wrangler applies the same migration, in a dry run and live', async () => {
    const wrangler = wranglerProject(stage.base, {}, configuration.replace('database_id = "second-id"', `database_id = "second-id"\nmigrations_dir = "${project.at('drizzle')}"`));
    try {
      const apply = async ({ token }) => {
        const applied = await wrangler.using(token)('d1', 'migrations', 'apply', 'SECOND', '--remote');
        assert.equal(applied.code, 0, applied.output);
        assert.match(applied.output, /0000_support_desk\.sql │ ✅/);
        const { db } = connect(stage, token, 'second-id');
        assert.equal((await db.insert(customers).values({ email: 'first@example.com' }).returning()).length, 1);
      };
      await leavesTargetsAlone(stage, async () => apply(await dryRun(stage)));
      await apply(await liveRun(stage));
      assert.deepEqual(await tables(stage.second), ['customers', 'customers_email_unique', 'd1_migrations', 'tickets', 'tickets_by_customer']);
    } finally {
      wrangler.remove();
    }
  });
});

describe('drizzle says why it was refused', () => {
  let refusals;
  before(async () => (refusals = await startRefusals()));
  after(() => refusals?.stop());

  for (const name of caseNames.filter((other) => !/KV|R2|value|object/.test(other))) {
    test(name, () => checkCase(refusals, name, ({ stage, token, d1 }) => {
      const { db } = connect(stage, token, d1.database);
      return db.run(sql.raw(d1.sql)).then(() => assert.fail('not refused'), (error) => error);
    }, ({ message, cause }, said) => {
      assertShows(message, 'Failed query');
      assertShows(cause.message, said.message, said.remedy);
    }, () => 1));
  }
});
