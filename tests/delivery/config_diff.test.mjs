// What the environments share and what they do not, and what changes of production.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { parse } from 'smol-toml';
import { changesOf, compareEnvironments, flat } from '../../scripts/delivery/config_diff.mjs';
import { History, configuration as text, script } from './helpers.mjs';

/** The configuration with one text replaced; fails when it is not there. */
const edited = (from, to) => {
  assert.ok(text.includes(from), from);
  return text.replace(from, to);
};
const problems = (toml) => compareEnvironments(parse(toml)).problems.join('\n');
const production = text.slice(text.indexOf('[env.production]'));
const inProduction = (from, to) => {
  assert.ok(production.includes(from), from);
  return text.replace(production, production.replace(from, to));
};

test('the environments that the project comes with are as they should be, and their differences are shown', () => {
  const { problems: found, differences } = compareEnvironments(parse(text));
  assert.deepEqual(found, []);
  const paths = differences.map(([path]) => path);
  for (const path of ['name', 'vars.ENVIRONMENT', 'd1_databases.DB.database_id', 'd1_databases.CONTROL.database_name', 'kv_namespaces.FLAGS.id', 'r2_buckets.FILES.bucket_name', 'vars.STORES.DB.id']) {
    assert.ok(paths.includes(path), path);
  }
});

describe('what the environments share is found', () => {
  const staging = parse(text);
  const cases = {
    'the name of the Worker': ['name = "dryrun-gateway"', 'name = "dryrun-gateway-staging"', /^name is the same/],
    'a target database': ['c2b1e8f4-93a7-4e56-8a10-7be90d4c5b01', staging.d1_databases[0].database_id, /d1_databases\.DB\.database_id is the same/],
    'the control database': ['c2b1e8f4-93a7-4e56-8a10-7be90d4c5b02', staging.d1_databases[1].database_id, /d1_databases\.CONTROL\.database_id is the same/],
    'the flags': ['c2b1e8f493a74e568a107be90d4c5b04', staging.kv_namespaces[1].id, /kv_namespaces\.FLAGS\.id is the same/],
    'a bucket': ['bucket_name = "support-desk-files"', 'bucket_name = "support-desk-files-staging"', /r2_buckets\.FILES\.bucket_name is the same/],
    'the word for where it is': ['ENVIRONMENT = "production"', 'ENVIRONMENT = "staging"', /vars\.ENVIRONMENT is the same/],
    'a namespace under another name': ['c2b1e8f493a74e568a107be90d4c5b04', staging.kv_namespaces[0].id, /kv_namespaces\.CACHE\.id of staging is kv_namespaces\.FLAGS\.id of production/],
  };
  for (const [what, [from, to, said]] of Object.entries(cases)) test(what, () => assert.match(problems(inProduction(from, to)), said));

  test('a route, because what the top level says production has too', () => {
    assert.match(problems(edited('workers_dev = true', 'workers_dev = true\nroutes = [{ pattern = "g.example.com", custom_domain = true }]')), /routes\.g\.example\.com\.pattern is the same/);
  });
});

describe('what they must have alike is found', () => {
  const cases = {
    'a binding that production lacks': ['[[env.production.kv_namespaces]]\nbinding = "CACHE"\nid = "c2b1e8f493a74e568a107be90d4c5b03"\n', '', /kv_namespaces\.CACHE\.binding must be the same/],
    'a binding of another object class': ['name = "SHADOW"\nclass_name = "ShadowObject"', 'name = "SHADOW"\nclass_name = "RunObject"', /durable_objects\.bindings\.SHADOW\.class_name must be the same/],
    'a variable that production lacks': ['ENVIRONMENT = "production"\n', '', /vars\.ENVIRONMENT must be .*production has none/],
    'a limit that production lacks': ['FLAG_BUDGET_MS = "250"\n', '', /vars\.FLAG_BUDGET_MS must be .*production has none/],
    'a variable that only one has': ['FLAG_BUDGET_MS = "250"', 'FLAG_BUDGET_MS = "250"\nEXTRA = "1"', /vars\.EXTRA must be the same/],
    'another compatibility date': ['name = "dryrun-gateway"', 'name = "dryrun-gateway"\ncompatibility_date = "2024-01-01"', /compatibility_date must be the same/],
    'previews in one of them': ['preview_urls = false', 'preview_urls = true', /preview_urls must be the same/],
    'another folder of migrations': ['migrations_dir = "migrations"', 'migrations_dir = "other"', /d1_databases\.CONTROL\.migrations_dir must be the same/],
    'a target of another kind': ['CACHE = { kind = "kv"', 'CACHE = { kind = "r2"', /vars\.STORES\.CACHE\.kind must be the same/],
  };
  for (const [what, [from, to, said]] of Object.entries(cases)) test(what, () => assert.match(problems(inProduction(from, to)), said));

  test('budgets and policies may differ, and are shown', () => {
    const { problems: found, differences } = compareEnvironments(parse(inProduction('FLAG_BUDGET_MS = "250"', 'FLAG_BUDGET_MS = "400"').replace(/(support-desk-cache", id = "[^"]+", policy = )"live"/, '$1"dry_run"')));
    assert.deepEqual(found, []);
    assert.ok(differences.some(([path, one, other]) => path === 'vars.FLAG_BUDGET_MS' && one === '250' && other === '400'));
    assert.ok(differences.some(([path, , other]) => path === 'vars.STORES.CACHE.policy' && other === 'dry_run'));
  });
});

describe('what changes of production', () => {
  test('nothing, when only staging changes', () => assert.deepEqual(changesOf(parse(text), parse(edited('name = "dryrun-gateway-staging"', 'name = "other-staging"'))), []));

  test('a number, a store that comes, a store that goes; in any order of the file', () => {
    const after = inProduction('SHADOW_MAX_ROWS = "50000"', 'SHADOW_MAX_ROWS = "9"').replace('FILES = { kind = "r2", name = "support-desk-files", policy = "live" }\n', '');
    assert.deepEqual(changesOf(parse(text), parse(after)).map(([path, , now]) => [path, now]), [
      ['vars.SHADOW_MAX_ROWS', '9'], ['vars.STORES.FILES.kind', undefined], ['vars.STORES.FILES.name', undefined], ['vars.STORES.FILES.policy', undefined],
    ]);
    const swapped = parse(text);
    swapped.env.production.kv_namespaces.reverse();
    assert.deepEqual(changesOf(parse(text), swapped), []);
  });

  test('what production takes from the top level changes with it', () => {
    assert.deepEqual(changesOf(parse(text), parse(edited('compatibility_date = "2026-07-28"', 'compatibility_date = "2026-08-01"'))), [['compatibility_date', '2026-07-28', '2026-08-01']]);
  });

  test('bindings and variables are not taken from the top level', () => {
    const toml = parse(text);
    delete toml.env.production.vars;
    delete toml.env.production.d1_databases;
    assert.deepEqual(Object.keys(flat(toml, 'production')).filter((path) => /^(vars|d1_databases)/.test(path)), []);
  });
});

describe('the script', () => {
  const history = History.make();
  after(() => history.remove());
  const runs = history.commit({ 'wrangler.toml': text });
  const now = history.commit({ 'wrangler.toml': inProduction('SHADOW_MAX_ROWS = "50000"', 'SHADOW_MAX_ROWS = "9"') });
  const bad = history.commit({ 'wrangler.toml': inProduction('ENVIRONMENT = "production"', 'ENVIRONMENT = "staging"') });
  const ask = (...words) => script('config_diff.mjs', words, { cwd: history.folder });

  test('writes what changes against what runs', async () => {
    const { code, stdout } = await ask(now, runs);
    assert.equal(code, 0);
    assert.match(stdout, /\| `vars\.SHADOW_MAX_ROWS` \| `50000` \| `9` \|/);
    assert.match((await ask(runs, runs)).stdout, /Nothing of production's configuration changes/);
  });

  test('says when it is not known what runs', async () => {
    for (const unknown of ['', 'e'.repeat(40)]) assert.match((await ask(now, unknown)).stdout, /not known from the records/);
  });

  test('fails when something is shared', async () => {
    const { code, stdout, stderr } = await ask(bad, runs);
    assert.equal(code, 1);
    assert.match(stdout, /vars\.ENVIRONMENT is the same/);
    assert.match(stderr, /nothing was deployed/);
  });

  test('reads the file as it is when no commit is named', async () => {
    assert.equal((await ask()).code, 1);
    history.write({ 'wrangler.toml': text });
    assert.equal((await ask()).code, 0);
  });
});
