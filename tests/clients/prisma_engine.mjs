// What the command `prisma` does for `db push` and `migrate diff`, without the command: its schema engine, in the form that npm has (WebAssembly; the
// command fetches another one from a host of Prisma's), behind Prisma's own adapter for D1 over HTTP.
//
//   node --require ./api_host.cjs prisma_engine.mjs push <schema>
//   node --require ./api_host.cjs prisma_engine.mjs diff <schema before, or -> <schema after>
//
// ACCOUNT, DATABASE and TOKEN say which D1. It prints JSON.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PrismaD1 } from '@prisma/adapter-d1';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as engine from '@prisma/schema-engine-wasm/schema_engine_bg';

const [action, ...names] = process.argv.slice(2);
const { ACCOUNT, DATABASE, TOKEN } = process.env;

const code = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg').replace(/\.js$/, '.wasm');
const { instance } = await WebAssembly.instantiate(readFileSync(code), { './schema_engine_bg.js': engine });
engine.__wbg_set_wasm(instance.exports);
instance.exports.__wbindgen_start();

const schema = (name) => ({ files: [{ path: name, content: readFileSync(name, 'utf8') }] });
const filters = { externalTables: [], externalEnums: [] };
const adapter = new PrismaD1({ CLOUDFLARE_ACCOUNT_ID: ACCOUNT, CLOUDFLARE_DATABASE_ID: DATABASE, CLOUDFLARE_D1_TOKEN: TOKEN });
const datamodels = [[names.at(-1), readFileSync(names.at(-1), 'utf8')]];
const migrate = await engine.SchemaEngine.new({ datamodels }, () => {}, bindMigrationAwareSqlAdapterFactory(adapter));

const actions = {
  push: () => migrate.schemaPush({ force: true, schema: schema(names[0]), filters }),
  diff: () => migrate.diff({
    from: names[0] === '-' ? { tag: 'empty' } : { tag: 'schemaDatamodel', ...schema(names[0]) },
    to: { tag: 'schemaDatamodel', ...schema(names[1]) },
    script: true,
    exitCode: null,
    filters,
  }),
};
const result = JSON.stringify(await actions[action]());
// The engine leaves a timer of a minute behind; the command does not wait for it either.
process.stdout.write(`${result}\n`, () => process.exit());
