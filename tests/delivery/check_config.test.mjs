// make check-config: each rule has an edit that breaks it and no other, and the files that people really have pass.

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { parse } from 'smol-toml';
import { describe as judgement, neighbours, variables } from '../../scripts/delivery/check_config.mjs';
import { judge, overlap, rules } from '../../scripts/delivery/config_rules.mjs';
import { adopters, configuration, inProject, newFolder, projectCopy, projectFolder, run } from './helpers.mjs';

const example = parse(configuration);
const top = adopters.slice(0, adopters.indexOf('[env.production]'));
const production = adopters.slice(top.length);

/** Replaces one text, which has to be there. */
function replaced(text, from, to) {
  assert.ok(text.includes(from), from);
  return text.replace(from, to);
}
const inStaging = (from, to) => replaced(top, from, to) + production;
const inProduction = (from, to) => top + replaced(production, from, to);
const inBoth = (from, to) => replaced(top, from, to) + replaced(production, from, to);
const stagingOnly = (extra) => `${top}${extra}\n${production}`;

/** The rules that found something, with what they found. */
function found(text) {
  return judge(parse(text), example).filter(({ findings }) => findings.length > 0);
}

const rule = (words) => rules.map(([name]) => name).find((name) => name.includes(words)) ?? assert.fail(words);
const ids = { staging: '7be3f0d2-1c44-4f0e-9a6b-20c1d7e5a911', production: 'e91c5a60-88d7-4b1d-b1f2-c0ffee5a0911' };
const otherEnvironment = `[env.preview]\nname = "acme-preview"\n`;
const bothRoutes = (staging, live) => replaced(inStaging('pattern = "gate.test-acme.dev"', `pattern = "${staging}"`), 'pattern = "gate.acme.dev"', `pattern = "${live}"`);
const observed = '[observability.logs]\ninvocation_logs = false\n';

/** What is broken → the text, the rule, the level and what is said. */
const broken = {
  'production is not there': [top, 'two environments', 'wrong', /\[env\.production\] is missing/],
  'a third environment': [adopters + otherEnvironment, 'two environments', 'wrong', /\[env\.preview\] is unknown/],
  'staging says that it is production': [inStaging('ENVIRONMENT = "staging"', 'ENVIRONMENT = "production"'), 'two environments', 'wrong', /staging: ENVIRONMENT is production/],
  'production says that it is staging': [inProduction('ENVIRONMENT = "production"', 'ENVIRONMENT = "staging"'), 'two environments', 'wrong', /production: ENVIRONMENT is staging/],
  'an environment that says nothing of itself': [inProduction('ENVIRONMENT = "production"\n', ''), 'two environments', 'wrong', /ENVIRONMENT is missing/],
  'no name for production': [inProduction('name = "acme-gate"\n', ''), 'has a name', 'wrong', /production: the Worker has no name/],
  'one name for both Workers': [inProduction('name = "acme-gate"\n', 'name = "acme-gate-test"\n'), 'share no name', 'wrong', /^name is the same/],
  'a database of production in staging': [inStaging(ids.staging, ids.production).replaceAll(ids.staging, ids.production), 'share no name', 'wrong', /MAIN_DB\.database_id is the same/],
  'a database of production under another binding': [adopters.replaceAll('7be3f0d2-1c44-4f0e-9a6b-20c1d7e5a912', ids.production), 'share no name', 'wrong', /AUDIT_DB\.database_id of staging is vars\.STORES\.MAIN_DB\.id of production/],
  'the flags of production in staging': [inStaging('7be3f0d21c444f0e9a6b20c1d7e5a914', 'e91c5a6088d74b1db1f2c0ffee5a0914'), 'share no name', 'wrong', /FLAGS\.id is the same/],
  'a database for previews that is production\'s': [inStaging('database_id = "7be3f0d2-1c44-4f0e-9a6b-20c1d7e5a913"', `database_id = "7be3f0d2-1c44-4f0e-9a6b-20c1d7e5a913"\npreview_database_id = "${ids.production}"`)
    .replace('database_id = "e91c5a60-88d7-4b1d-b1f2-c0ffee5a0913"', 'database_id = "e91c5a60-88d7-4b1d-b1f2-c0ffee5a0913"\npreview_database_id = "e91c5a60-88d7-4b1d-b1f2-c0ffee5a0999"'), 'share no name', 'wrong', /preview_database_id of staging is/],
  'a limit that production lacks': [inProduction('SHADOW_MAX_ROWS = "50000"\n', ''), 'have the same bindings', 'wrong', /SHADOW_MAX_ROWS must be .*production has none/],
  'two bindings of one database': [stagingDatabaseTwice(), 'is bound once', 'wrong', /two bindings are the same store: d1/],
  'two databases of one name': [adopters.replaceAll('acme-audit-test', 'acme-main-test'), 'is bound once', 'wrong', /have the same name: d1 acme-main-test/],
  'a database that is named as another is bound': [adopters.replaceAll('"acme-audit-test"', '"MAIN_DB"'), 'is bound once', 'wrong', /have the same name: d1 MAIN_DB/],
  'no CONTROL': [inBothControl(''), 'CONTROL, FLAGS', 'wrong', /CONTROL is not bound/],
  'objects of another class': [inBoth('name = "SHADOW"\nclass_name = "ShadowObject"', 'name = "SHADOW"\nclass_name = "RunObject"'), 'CONTROL, FLAGS', 'wrong', /SHADOW is not bound to ShadowObject/],
  'objects of another Worker': [inBoth('class_name = "RunObject"', 'class_name = "RunObject"\nscript_name = "other"'), 'CONTROL, FLAGS', 'wrong', /another Worker/],
  'a store that is bound and not described': [inBothStores('AUDIT_DB', null), 'STORES matches', 'wrong', /AUDIT_DB \(d1_databases\) is bound, but not in STORES/],
  'a store that is described and not bound': [inBothStores('OTHER', '{ kind = "kv", name = "$-kv", id = "$-id" }'), 'STORES matches', 'wrong', /OTHER is in STORES, but not bound/],
  'another id': [inStaging('name = "acme-main-test", id = "7be3f0d2', 'name = "acme-main-test", id = "8be3f0d2'), 'STORES matches', 'wrong', /MAIN_DB: STORES has the id 8be3\S+, its binding has 7be3/],
  'another name': [inStaging('kind = "d1", name = "acme-main-test"', 'kind = "d1", name = "acme-old-test"'), 'STORES matches', 'wrong', /MAIN_DB: STORES has the name acme-old-test/],
  'another kind': [inBoth('MAIN_DB = { kind = "d1"', 'MAIN_DB = { kind = "kv"'), 'STORES matches', 'wrong', /MAIN_DB: STORES has the kind kv, its binding is d1/],
  'the gateway\'s own as a target': [inBothStores('CONTROL', '{ kind = "d1", name = "$-c", id = "$-id" }'), 'STORES matches', 'wrong', /CONTROL is in STORES/],
  'a class without SQLite': [inStaging('new_sqlite_classes = ["RunObject", "ShadowObject"]', 'new_sqlite_classes = ["RunObject"]'), 'in SQLite', 'wrong', /ShadowObject does not store/],
  'the migrations of CONTROL for a target': [inBoth('migrations_dir = "../acme-app/migrations"', 'migrations_dir = "./migrations"'), 'for CONTROL only', 'wrong', /MAIN_DB has the migrations of CONTROL/],
  'other migrations for CONTROL': [inBoth('migrations_dir = "migrations"', 'migrations_dir = "sql"'), 'for CONTROL only', 'wrong', /CONTROL has the migrations of sql/],
  'a secret among the variables': [inBothVars('TOKEN_SECRET = "x"'), 'no variable holds', 'wrong', /TOKEN_SECRET looks like a secret/],
  'a key under a harmless name': [inBothVars('GREETING = "drk_staging_abc"'), 'no variable holds', 'wrong', /GREETING looks like a secret/],
  'another entry': [inStaging('main = "build/index.js"', 'main = "src/entry.js"'), 'scripts/build builds', 'wrong', /main is src\/entry\.js/],
  'nothing that builds': [inStaging('command = "scripts/build"\n', ''), 'scripts/build builds', 'wrong', /nothing is built/],
  previews: [inStaging('preview_urls = false', 'preview_urls = true'), 'preview URLs', 'wrong', /preview URLs are on/],
  'previews that nobody turned off': [inStaging('preview_urls = false\n', ''), 'preview URLs', 'wrong', /preview URLs are on/],
  'addresses in the log': [inStaging(observed, ''), 'not logged', 'wrong', /logged with their addresses/],
  'no log': [inStaging('[observability]\nenabled = true', '[observability]\nenabled = false'), 'not logged', 'note', /not kept/],
  'a remote store': [inBoth('binding = "AUDIT_DB"', 'binding = "AUDIT_DB"\nremote = true'), 'no binding is remote', 'wrong', /AUDIT_DB is remote/],
  'one route for both': [bothRoutes('gate.acme.dev', 'gate.acme.dev'), 'routes of staging', 'wrong', /gate\.acme\.dev of the top level reaches/],
  'a route that covers production': [bothRoutes('*.acme.dev/*', 'gate.acme.dev'), 'routes of staging', 'wrong', /\*\.acme\.dev/],
  'a route that production takes from staging': [inProduction('routes = [{ pattern = "gate.acme.dev", custom_domain = true }]\n', ''), 'routes of staging', 'wrong', /production inherits the routes/],
  'a route with a server behind it': [inProduction('custom_domain = true', 'zone_name = "acme.dev"'), 'routes of staging', 'note', /has an origin behind it/],
  'another account than that of the path': [inStaging('account_id = "0a1b', 'account_id = "1a1b'), 'account_id', 'wrong', /staging: account_id is 1a1b/],
  'an account that production takes from staging': [inProduction('account_id = "f9e8d7c6b5a4938271605f4e3d2c1b0a"\n', ''), 'account_id', 'wrong', /production: account_id is 0a1b/],
  'an id of the example': [adopters.replaceAll(ids.staging, example.d1_databases[0].database_id), 'are set up', 'todo', /staging: MAIN_DB has the id of the example/],
  'an id that is none': [adopters.replaceAll(ids.production, 'PASTE-IT-HERE'), 'are set up', 'todo', /production: MAIN_DB has an id that is not/],
  'no id of a namespace': [inStaging('binding = "FLAGS"\nid = "7be3f0d21c444f0e9a6b20c1d7e5a914"', 'binding = "FLAGS"'), 'are set up', 'todo', /staging: FLAGS has an id that is not .*\(none\)/],
  'no account': [top.replaceAll('0a1b2c3d4e5f60718293a4b5c6d7e8f9', 'local') + production, 'are set up', 'todo', /staging: ACCOUNT_ID is local/],
  'a host that is only an example': [inProduction('gate.acme.dev', 'gateway.example.com'), 'are set up', 'todo', /production: the route has the host gateway\.example\.com/],
};

function stagingDatabaseTwice() {
  const binding = (name, id) => `\n[[${name}d1_databases]]\nbinding = "AGAIN"\ndatabase_name = "${id}-again"\ndatabase_id = "${id}"\n`;
  const described = (id) => `AGAIN = { kind = "d1", name = "${id}-again", id = "${id}" }\n`;
  const fresh = '99999999-88d7-4b1d-b1f2-c0ffee5a0911';
  return `${top.replace('[vars]', `${binding('', ids.staging)}\n[vars]`)}${described(ids.staging)}`
    .replace(described(ids.staging), '') // STORES of staging ends the top level
    .replace('[vars.STORES]\n', `[vars.STORES]\n${described(ids.staging)}`)
    + production.replace('[env.production.vars]', `${binding('env.production.', fresh)}\n[env.production.vars]`).replace('[env.production.vars.STORES]\n', `[env.production.vars.STORES]\n${described(fresh)}`);
}

function inBothControl(text) {
  const control = /\[\[(env\.production\.)?d1_databases\]\]\nbinding = "CONTROL"\n(.*\n){3}/g;
  return adopters.replaceAll(control, text);
}

function inBothStores(binding, value) {
  const without = (text) => text.replace(new RegExp(`^${binding} = \\{ kind.*\\n`, 'm'), '');
  const added = (text, header, side) => text.replace(`${header}\n`, `${header}\n${binding} = ${value?.replaceAll('$', side)}\n`);
  if (value === null) return without(top) + without(production);
  return added(top, '[vars.STORES]', 'test') + added(production, '[env.production.vars.STORES]', 'live');
}

function inBothVars(line) {
  return top.replace('[vars]\n', `[vars]\n${line}\n`) + production.replace('[env.production.vars]\n', `[env.production.vars]\n${line}\n`);
}

describe('a rule', () => {
  for (const [what, [text, words, level, said]] of Object.entries(broken)) {
    test(`finds ${what}, and no other rule does`, () => {
      const [only, ...more] = found(text);
      assert.deepEqual(more.map(({ rule: name, findings }) => [name, findings.map((one) => one.what)]), []);
      assert.equal(only?.rule, rule(words));
      assert.ok(only.findings.every((one) => one.level === level && one.remedy.length > 10), JSON.stringify(only.findings));
      assert.match(only.findings.map((one) => one.what).join('\n'), said);
    });
  }

  test('is broken by at least one of these', () => {
    const seen = new Set(Object.values(broken).map(([, words]) => rule(words)));
    assert.deepEqual(rules.map(([name]) => name).filter((name) => !seen.has(name)), []);
  });
});

test('STORES as a text is told to be a table', () => {
  const text = top.replace(/\[vars\.STORES\][^]*?\n\n/, '').replace('[vars]\n', `[vars]\nSTORES = '{"MAIN_DB": {}}'\n`) + production;
  assert.match(found(text).flatMap(({ findings }) => findings).map(({ what }) => what).join('\n'), /staging: STORES is a text/);
});

describe('nothing is wrong', () => {
  const passes = {
    'with what somebody has who set it up': adopters,
    'with what the project comes with': configuration,
    'without routes': adopters.replaceAll(/^routes = .*\n/gm, '').replaceAll('workers_dev = false', 'workers_dev = true'),
    'with other limits and policies': adopters.replaceAll('policy = "denied"', 'policy = "live"').replaceAll('FLAG_BUDGET_MS = "300"', 'FLAG_BUDGET_MS = "900"'),
    'with one account for both, named nowhere': adopters.replaceAll(/^account_id = .*\n/gm, '').replaceAll('f9e8d7c6b5a4938271605f4e3d2c1b0a', '0a1b2c3d4e5f60718293a4b5c6d7e8f9'),
    'with a domain below the other one': bothRoutes('test.gate.acme.dev', 'gate.acme.dev'),
  };
  for (const [what, text] of Object.entries(passes)) {
    test(what, () => assert.deepEqual(found(text).flatMap(({ findings }) => findings).filter(({ level }) => level !== 'todo'), []));
  }

  test('and the example is still to be set up, in both environments', () => {
    const [{ findings }, ...more] = found(configuration);
    assert.deepEqual([findings.length, more], [10, []]);
  });
});

test('hosts overlap as Cloudflare takes patterns', () => {
  for (const [one, other, both] of [
    ['a.dev', 'a.dev', true], ['https://A.dev/x', 'a.dev.', true], ['a.dev', 'b.dev', false], ['*.a.dev/*', 'g.a.dev', true], ['*.a.dev', 'a.dev', false],
    ['*a.dev/*', 'a.dev', true], ['*.a.dev', '*.g.a.dev', true], ['*.a.dev', '*.b.dev', false], ['*', 'g.a.dev', true], ['test.a.dev', 'a.dev', false],
  ]) {
    assert.deepEqual([overlap(one, other), overlap(other, one)], [both, both], `${one} ${other}`);
  }
});

describe('what stands beside the file', () => {
  const folder = newFolder('beside');
  after(() => rmSync(folder, { recursive: true, force: true }));
  const beside = (files, { environment = {}, tracked = [] } = {}) => {
    const place = path.join(folder, String(Math.random()).slice(2));
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(place, name)), { recursive: true });
      writeFileSync(path.join(place, name), text);
    }
    mkdirSync(place, { recursive: true });
    return neighbours(place, environment, tracked).map(({ level, what }) => `${level} ${what}`);
  };

  test('is found where wrangler would do something else', () => {
    for (const name of ['wrangler.json', 'wrangler.jsonc', '.wrangler/deploy/config.json']) {
      assert.deepEqual(beside({ [name]: '{}' }), [`wrong wrangler reads ${name} instead of wrangler.toml`]);
    }
    assert.match(beside({}, { environment: { CLOUDFLARE_ENV: 'production' } }).join(), /^wrong CLOUDFLARE_ENV is set to production$/);
    for (const name of ['.env', '.env.local', '.env.production']) assert.deepEqual(beside({ [name]: 'A=1\nexport CLOUDFLARE_ENV=production' }), [`wrong ${name} sets CLOUDFLARE_ENV`]);
  });

  test('is found where it holds what it should not', () => {
    assert.deepEqual(beside({ '.dev.vars': 'KEY=drk_production_x' }), ['wrong .dev.vars holds a key of production']);
    assert.deepEqual(beside({ '.dev.vars': 'KEY=drk_staging_x' }, { tracked: ['.dev.vars'] }), ['wrong .dev.vars is in the repository']);
    assert.deepEqual(beside({ '.dev.vars': 'ENVIRONMENT=production' }), ['note .dev.vars sets ENVIRONMENT on this machine']);
  });

  test('is left alone otherwise', () => {
    assert.deepEqual(beside({ '.dev.vars': 'DEV_AGENT_KEY=drk_staging_x', '.env': 'CLOUDFLARE_API_TOKEN=x\n# CLOUDFLARE_ENV=production', '.envrc': 'x', 'wrangler.toml': '' }), []);
  });
});

describe('the variables, as the Worker itself reads them', { timeout: 600_000 }, () => {
  const judged = (text) => variables(parse(text), { cwd: projectFolder }).map(({ level, what }) => `${level} ${what}`);

  test('are understood in what people have', () => {
    assert.deepEqual(judged(adopters), []);
    assert.deepEqual(judged(inBoth('FLAG_TTL_SECONDS = ', 'FLAG_TTL_SECONDS = ').replace('FLAG_BUDGET_MS = "400"', 'FLAG_BUDGET_MS = 400')), [], 'also a number without quotes');
  });

  test('are found when one is missing, out of its bounds or not read at all', () => {
    for (const [text, said] of [
      [inStaging('FLAG_TTL_SECONDS = "7200"', 'FLAG_TTL_SECONDS = "59"'), /^wrong staging: .*FLAG_TTL_SECONDS is missing or not valid/],
      [inProduction('FLAG_BUDGET_MS = "300"', 'FLAG_BUDGET_MS = "soon"'), /^wrong production: .*FLAG_BUDGET_MS is missing or not valid/],
      [inStaging('policy = "live"', 'policy = "open"'), /^wrong staging: .*STORES is missing or not valid/],
      [inStaging('policy = "live"', 'polcy = "live"'), /^wrong staging: .*STORES is missing or not valid/],
      [inProduction('ACCOUNT_ID = "f9e8d7c6b5a4938271605f4e3d2c1b0a"\n', ''), /^wrong production: .*ACCOUNT_ID is missing or not valid/],
      [inStaging('FLAG_BUDGET_MS = ', 'FLAG_BUGDET_MS = '), /^wrong staging: the gateway does not read FLAG_BUGDET_MS$/],
    ]) {
      const [only, ...more] = judged(text);
      assert.deepEqual(more, []);
      assert.match(only ?? 'nothing', said);
    }
  });
});

describe('the judgement', () => {
  const todo = { level: 'todo', what: 'staging: ACCOUNT_ID is local', remedy: 'wrangler whoami', environment: 'staging' };
  const judged = (...findings) => [{ rule: 'one', findings: [] }, { rule: 'two', findings }];

  test('what is to do blocks the deployment of its environment, and nothing else', () => {
    assert.equal(judgement(judged(todo)).passes, true);
    assert.equal(judgement(judged(todo), 'production').passes, true);
    assert.equal(judgement(judged(todo), 'staging').passes, false);
    assert.match(judgement(judged(todo), 'staging').text, /^ok {5}one\nBLOCKS staging: ACCOUNT_ID is local\n {9}wrangler whoami\n\n0 wrong, 1 to do, 0 notes\. Do not deploy staging\.$/);
  });

  test('what is wrong blocks everything, and what is only to think of nothing', () => {
    assert.equal(judgement(judged({ ...todo, level: 'wrong' })).passes, false);
    assert.equal(judgement(judged({ ...todo, level: 'wrong' }), 'production').passes, false);
    assert.equal(judgement(judged({ ...todo, level: 'note' }), 'staging').passes, true);
  });
});

describe('the script, with wrangler\'s own rehearsal', { timeout: 600_000 }, () => {
  const checked = async (files, words = [], env = {}) => {
    const copy = projectCopy(files);
    try {
      return await run(copy.at('scripts/check_config'), words, { env: { ...copy.env, ...env } });
    } finally {
      copy.remove();
    }
  };

  test('takes what somebody has who set it up, and it may be deployed', async () => {
    const { code, stdout, said } = await checked({ 'wrangler.toml': adopters });
    assert.equal(code, 0, said);
    assert.match(stdout, /^ok {5}wrangler would bind these stores and objects, and no others$/m);
    assert.match(stdout, /0 wrong, 0 to do, .* wrangler\.toml is ready to be deployed\.$/m);
  });

  test('finds a binding that no rule knows', async () => {
    const { code, stdout } = await checked({ 'wrangler.toml': adopters.replace('[vars]\n', '[[queues.producers]]\nbinding = "MAIL"\nqueue = "mail"\n\n[vars]\n') });
    assert.equal(code, 1);
    assert.match(stdout, /WRONG {2}staging: MAIL is bound, but the gateway does not use it/);
  });

  test('shows the end of what wrangler says when it would not deploy', async () => {
    const script = '#!/bin/sh\nseq 1000 | sed "s/^/line /"\necho the reason >&2\nexit 1\n';
    const { code, stdout } = await checked({ 'wrangler.toml': adopters, 'scripts/build': script });
    assert.equal(code, 1);
    assert.match(stdout, /WRONG {2}staging: wrangler would not deploy this:\n[^]*the reason/);
    assert.ok(stdout.split('\n').length < 150, `${stdout.split('\n').length} lines`);
  });

  test('before a deployment fails with what is not set up, and says it for make dev', async () => {
    for (const [words, code] of [[['--deploy', 'staging'], 1], [['--deploy', 'production'], 1]]) {
      const said = await checked({}, words);
      assert.deepEqual([said.code, /BLOCKS \w+: ACCOUNT_ID is local/.test(said.stdout)], [code, true], said.said);
    }
    const ready = await checked({ 'wrangler.toml': adopters }, ['--deploy', 'production']);
    assert.equal(ready.code, 0, ready.said);
  });

  test('says what it does not support, and what it does not understand', async () => {
    const json = await checked({ 'wrangler.toml': null, 'wrangler.jsonc': '{}' });
    assert.deepEqual([json.code, /wrangler\.jsonc are not supported/.test(json.stderr)], [1, true], json.said);
    const broken = await checked({ 'wrangler.toml': 'name = ' });
    assert.deepEqual([broken.code, /wrangler\.toml cannot be read/.test(broken.stderr)], [1, true], broken.said);
    const odd = await checked({ 'wrangler.toml': adopters.replaceAll(/\[\[(.*)kv_namespaces\]\]/g, '[$1kv_namespaces]') }, ['--deploy', 'staging']);
    assert.deepEqual([odd.code, /does not have the form/.test(odd.stderr)], [1, true], odd.said);
    for (const words of [['--deploy'], ['--deploy', 'prod'], ['--fix']]) assert.match((await checked({}, words)).stderr, /usage: scripts\/check_config/);
    const shell = await checked({ 'wrangler.toml': adopters }, ['--deploy', 'staging'], { CLOUDFLARE_ENV: 'production' });
    assert.deepEqual([shell.code, /CLOUDFLARE_ENV is set to production/.test(shell.stdout)], [1, true], shell.said);
  });
});
