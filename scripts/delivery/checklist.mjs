// See scripts/delivery/checklist.

import { readFileSync, readdirSync } from 'node:fs';
import { parse } from 'smol-toml';
import { createCommand, judge, sectionsOf, storesOf } from './config_rules.mjs';
import { fail, isMain } from './lib.mjs';

const control = ['CONTROL', 'FLAGS'];
const patience = 20_000;


/** The commands, in order. */
export function commands(environment, section) {
  const flag = environment === 'staging' ? '' : ` --env ${environment}`;
  const purpose = (binding) => (control.includes(binding) ? 'the gateway\'s own' : 'agents work on it');
  return [
    '# 1. The stores. Put each id that is printed into wrangler.toml, those of targets into STORES as well. Never one of the other environment.',
    ...storesOf(section).map((store) => `${createCommand(environment, section, store)}    # ${store.binding}: ${purpose(store.binding)}`),
    '# and ACCOUNT_ID: wrangler whoami. Then look at the file:',
    'make check-config',
    '',
    '# 2. The control database, and the marker that says where it belongs. The marker is written by hand, once.',
    `wrangler d1 migrations apply CONTROL --remote${flag}`,
    `wrangler d1 execute CONTROL --remote${flag} --command "INSERT INTO environment_marker (id, environment) VALUES (1, '${environment}')"`,
    '',
    '# 3. The Worker. Without secrets it lets nobody in.',
    `wrangler deploy${flag}`,
    '',
    '# 4. The secrets. KEYS is the JSON list of the entries that are printed; the keys themselves go to whoever uses them.',
    ...['agent', 'approver', 'operator'].map((role) => `node scripts/delivery/key.mjs ${environment} my-${role} ${role}`),
    `wrangler secret put KEYS${flag}`,
    `openssl rand -hex 32 | wrangler secret put TOKEN_SECRET${flag}`,
    `wrangler secret put ALERT_WEBHOOK_URL${flag}    # who is called at night; without it alerts are only in the log and in GET /v1/alerts`,
    '',
    '# 5. The doors. A custom domain has nothing behind it. A plain route does: set it to fail closed under Workers Routes, or requests pass the gateway by when it cannot run.',
    '',
    '# 6. What is done:',
    `GATEWAY_URL=https://… DRYRUN_KEY=drk_${environment}_… scripts/delivery/checklist ${environment} --check`,
  ].join('\n');
}

/** What was looked at: ok true, false, or null when it could not be looked at. */
const result = (ok, what, remedy = '') => ({ ok, what, remedy });

/** What scripts/check_config says of the file, as far as it is about this environment. */
function inFile(environment, toml, example) {
  return judge(toml, example).flatMap(({ rule, findings }) => {
    const here = findings.filter((finding) => finding.environment === undefined || finding.environment === environment);
    const found = here.map(({ level, what, remedy }) => result(level === 'note' ? null : false, `wrangler.toml: ${what}`, remedy));
    return found.length > 0 ? found : [result(true, `wrangler.toml: ${rule}`)];
  });
}

async function inAccount(environment, section) {
  const { CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_ACCOUNT_ID: account, CLOUDFLARE_API_BASE_URL: api = 'https://api.cloudflare.com/client/v4' } = process.env;
  if (!token || !account) return [result(null, 'the account: CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID are not set')];
  const ask = async (path, body) => {
    const response = await fetch(`${api}/accounts/${account}/${path}`, {
      method: body ? 'POST' : 'GET', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: body && JSON.stringify(body), signal: AbortSignal.timeout(patience),
    });
    const json = await response.json().catch(() => ({}));
    return { ok: response.ok && json.success === true, why: json.errors?.[0]?.message ?? `status ${response.status}`, result: json.result };
  };
  const there = async (what, path, remedy) => {
    const answer = await ask(path);
    return result(answer.ok, `${what}${answer.ok ? '' : `: ${answer.why}`}`, remedy);
  };
  const rows = async (sql) => (await ask(`d1/database/${section.d1_databases.find(({ binding }) => binding === 'CONTROL').database_id}/query`, { sql })).result?.[0]?.results;
  const { d1_databases: databases = [], kv_namespaces: namespaces = [], r2_buckets: buckets = [] } = section;
  const secrets = await ask(`workers/scripts/${section.name}/secrets`);
  const names = (secrets.result ?? []).map(({ name }) => name);
  const marker = await rows('SELECT environment FROM environment_marker WHERE id = 1');
  const applied = (await rows('SELECT name FROM d1_migrations ORDER BY id'))?.map(({ name }) => name) ?? [];
  const missing = readdirSync('migrations').sort().filter((name) => !applied.includes(name));
  const webhook = names.includes('ALERT_WEBHOOK_URL');
  return [
    result(account === section.vars.ACCOUNT_ID, `the account is that of wrangler.toml`, `CLOUDFLARE_ACCOUNT_ID is ${account}, ACCOUNT_ID is ${section.vars.ACCOUNT_ID}.`),
    ...(await Promise.all([
      ...databases.map(({ binding, database_name: name, database_id: id }) => there(`database ${binding} (${name})`, `d1/database/${id}`, `wrangler d1 create ${name}, and put its id into wrangler.toml`)),
      ...namespaces.map(({ binding, id }) => there(`namespace ${binding} (${id})`, `storage/kv/namespaces/${id}`, 'wrangler kv namespace create, and put its id into wrangler.toml')),
      ...buckets.map(({ binding, bucket_name: name }) => there(`bucket ${binding} (${name})`, `r2/buckets/${name}`, `wrangler r2 bucket create ${name}`)),
    ])),
    result(missing.length === 0, `migrations of CONTROL${missing.length > 0 ? `: not applied: ${missing.join(', ')}` : ''}`, 'wrangler d1 migrations apply CONTROL --remote'),
    result(marker?.[0]?.environment === environment, `marker in CONTROL: ${marker?.[0]?.environment ?? 'none'}`, marker?.[0] ? 'This is the database of the other environment: correct database_id.' : 'Write it: see step 2.'),
    ...['KEYS', 'TOKEN_SECRET'].map((name) => result(names.includes(name), `secret ${name}`, `wrangler secret put ${name}`)),
    result(webhook ? true : null, webhook ? 'secret ALERT_WEBHOOK_URL' : 'secret ALERT_WEBHOOK_URL: none, so nobody is called'),
  ];
}

async function atGateway(environment, section) {
  const { GATEWAY_URL: url, DRYRUN_KEY: key } = process.env;
  if (!url) return [result(null, 'the gateway: GATEWAY_URL is not set')];
  const ask = async (path, headers = {}) => {
    try {
      const response = await fetch(new URL(path, url), { headers, signal: AbortSignal.timeout(patience), redirect: 'manual' });
      return { status: response.status, environment: response.headers.get('environment'), json: await response.json().catch(() => ({})) };
    } catch (error) {
      return { status: 0, json: {}, why: error.cause?.message ?? error.message };
    }
  };
  const health = await ask('/health');
  if (health.status !== 200) return [result(false, `the gateway: ${health.why ?? `status ${health.status}${health.json.code ? `, ${health.json.code}` : ''}`}`, 'See docs/operations.md under the code.')];
  const ready = await ask('/health/ready');
  const results = [
    result(health.environment === environment, `the gateway says that it is ${health.environment}`, `GATEWAY_URL has to be that of ${environment}.`),
    ...Object.entries(ready.json.checks ?? { ready: `status ${ready.status}` }).map(([part, answer]) => result(answer === 'ok', `the gateway reaches ${part}${answer === 'ok' ? '' : `: ${answer}`}`, 'See docs/operations.md: What a broken part does.')),
  ];
  if (!key) return [...results, result(null, 'who asks: DRYRUN_KEY is not set')];
  const { status, json } = await ask('/v1/environment', { authorization: `Bearer ${key}` });
  if (status !== 200) return [...results, result(false, `the key is taken: ${json.code ?? status}`, json.remedy ?? 'Use a key of this environment.')];
  const expected = Object.entries(section.vars.STORES).map(([binding, { kind, name, id = null, policy = 'live' }]) => JSON.stringify([binding, kind, name, id, policy])).sort();
  const runs = (json.stores ?? []).map(({ binding, kind, name, id, policy }) => JSON.stringify([binding, kind, name, id ?? null, policy])).sort();
  const same = JSON.stringify(expected) === JSON.stringify(runs);
  return [
    ...results,
    result(true, `the key is taken: ${json.caller.name}, ${json.caller.role}`),
    result(json.account === section.vars.ACCOUNT_ID, `the gateway answers for the account ${json.account}`, `wrangler.toml says ${section.vars.ACCOUNT_ID}: deploy.`),
    result(same, `the gateway's stores are those of wrangler.toml`, `It runs with ${runs.join(' ')}: deploy, or find out who did.`),
  ];
}

if (isMain(import.meta.url)) {
  const [environment, flag] = process.argv.slice(2);
  if (!['staging', 'production'].includes(environment) || (flag && flag !== '--check')) fail('the arguments are not understood', 'usage: checklist staging|production [--check]');
  const [toml, example] = ['wrangler.toml', 'tests/config/wrangler.toml'].map((file) => parse(readFileSync(file, 'utf8')));
  const [, section] = sectionsOf(toml).find(([name]) => name === environment);
  if (!section.vars) fail(`wrangler.toml has no variables for ${environment}`, 'Correct it first: make check-config');
  if (!flag) {
    console.log(commands(environment, section));
  } else {
    const results = [...inFile(environment, toml, example), ...(await inAccount(environment, section)), ...(await atGateway(environment, section))];
    for (const { ok, what, remedy } of results) console.log(`${ok === null ? '-     ' : ok ? 'ok    ' : 'FAILED'} ${what}${ok === false && remedy ? `\n         ${remedy}` : ''}`);
    const count = (wanted) => results.filter(({ ok }) => ok === wanted).length;
    console.log(`${count(true)} ok, ${count(false)} failed, ${count(null)} not looked at`);
    process.exit(count(false) > 0 ? 1 : 0);
  }
}
