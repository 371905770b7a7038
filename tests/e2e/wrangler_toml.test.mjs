// Nothing is shared between the environments but the code: what points at production can never be reached by staging, or by a bare deploy.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readWranglerToml } from './harness/settings.mjs';

const staging = readWranglerToml();
const production = staging.env?.production;
const both = [staging, production];
const stores = ['d1_databases', 'kv_namespaces', 'r2_buckets'];
const allStores = (section) => stores.flatMap((kind) => section[kind] ?? []);
const sorted = (values) => [...values].sort();

/** Whatever names a thing of the account: Worker, database, namespace, bucket, and how clients name them. */
function identities(section) {
  return [
    section.name,
    ...allStores(section).flatMap(({ id, preview_id, database_id, database_name, bucket_name, preview_bucket_name }) =>
      [id, preview_id, database_id, database_name, bucket_name, preview_bucket_name]),
    ...Object.values(section.vars.STORES).flatMap(({ name, id }) => [name, id]),
  ].filter((value) => value !== undefined);
}

test('the top level is staging and production has to be asked for', () => {
  assert.ok(production, '[env.production] exists');
  assert.deepEqual(both.map(({ vars }) => vars.ENVIRONMENT), ['staging', 'production']);
  assert.deepEqual(Object.keys(staging.env), ['production']);
  assert.match(staging.name, /-staging$/);
  assert.doesNotMatch(production.name, /staging/);
});

test('no route or domain at the top level leads a bare deploy to where production lives', () => {
  for (const key of ['route', 'routes', 'custom_domain', 'zone_id', 'zone_name']) assert.equal(staging[key], undefined, key);
});

test('no id, name or bucket appears in both environments', () => {
  const inProduction = new Set(identities(production));
  assert.deepEqual(identities(staging).filter((identity) => inProduction.has(identity)), []);
});

test('within an environment no two stores are the same', () => {
  for (const section of both) {
    const ids = allStores(section).map(({ id, database_id, bucket_name }) => id ?? database_id ?? bucket_name);
    assert.equal(new Set(ids).size, ids.length);
  }
});

test('both environments have the same bindings, object classes and variables', () => {
  const shape = (section) => ({
    ...Object.fromEntries(stores.map((kind) => [kind, sorted((section[kind] ?? []).map(({ binding }) => binding))])),
    objects: sorted(section.durable_objects.bindings.map(({ name, class_name, script_name }) => `${name} ${class_name} ${script_name ?? ''}`)),
    vars: sorted(Object.keys(section.vars)),
    stores: sorted(Object.entries(section.vars.STORES).map(([binding, { kind }]) => `${binding} ${kind}`)),
  });
  assert.deepEqual(shape(production), shape(staging));
});

test('an object class of another Worker is never bound', () => {
  for (const section of both) {
    for (const { name, script_name, environment } of section.durable_objects.bindings) {
      assert.deepEqual([script_name, environment], [undefined, undefined], name);
    }
  }
});

test('every target in STORES is a bound store under its own name and id, and no control store is a target', () => {
  for (const { vars, d1_databases, kv_namespaces, r2_buckets } of both) {
    for (const [binding, { kind, name, id }] of Object.entries(vars.STORES)) {
      assert.ok(!['CONTROL', 'FLAGS'].includes(binding), binding);
      const named = (list) => list.find((store) => store.binding === binding);
      if (kind === 'd1') assert.deepEqual([named(d1_databases).database_name, named(d1_databases).database_id], [name, id]);
      else if (kind === 'kv') assert.equal(named(kv_namespaces).id, id);
      else if (kind === 'r2') assert.equal(named(r2_buckets).bucket_name, name);
      else assert.fail(`${binding}: unknown kind ${kind}`);
    }
  }
});

test('the objects keep their data in SQLite and migrations are those of the control database', () => {
  const classes = new Set(staging.migrations.flatMap(({ new_sqlite_classes }) => new_sqlite_classes ?? []));
  for (const section of both) {
    for (const { class_name } of section.durable_objects.bindings) assert.ok(classes.has(class_name), class_name);
    const withMigrations = section.d1_databases.filter(({ migrations_dir }) => migrations_dir).map(({ binding }) => binding);
    assert.deepEqual(withMigrations, ['CONTROL']);
  }
});

test('no secret is written down', () => {
  for (const { vars } of both) {
    for (const name of Object.keys(vars)) assert.doesNotMatch(name, /KEY|SECRET|TOKEN|PASSWORD/, name);
  }
});
