// What has to be true of wrangler.toml before anybody relies on it, rule by rule. Pure: a rule gets the parsed file and answers what it found.
//
// A finding is { level, what, remedy, environment }. `wrong` must not be; `todo` is what setting up has not done yet, so nothing is deployed to that
// environment; `note` is allowed and worth a thought. The bounds of variables are not here: examples/settings.rs asks the Worker's own code.

import { compareEnvironments } from './config_diff.mjs';

const kinds = { d1_databases: 'd1', kv_namespaces: 'kv', r2_buckets: 'r2' };
const ownStores = { CONTROL: 'd1_databases', FLAGS: 'kv_namespaces' };
const ownObjects = { RUN: 'RunObject', SHADOW: 'ShadowObject' };

const wrong = (what, remedy, environment) => ({ level: 'wrong', what, remedy, environment });
const todo = (what, remedy, environment) => ({ level: 'todo', what, remedy, environment });
const note = (what, remedy, environment) => ({ level: 'note', what, remedy, environment });

/** Both environments with their sections. */
export const sectionsOf = (toml) => [['staging', toml], ['production', toml.env?.production ?? {}]];
const objectsOf = (section) => section.durable_objects?.bindings ?? [];
export const storesOf = (section) => Object.keys(kinds).flatMap((list) => (section[list] ?? []).map((store) => ({ list, kind: kinds[list], ...store })));
const targetsOf = (section) => storesOf(section).filter(({ binding }) => !(binding in ownStores));
/** How a store of a section is made. */
export function createCommand({ name, vars }, { list, binding, database_name: database, bucket_name: bucket }) {
  if (list === 'd1_databases') return `wrangler d1 create ${database}`;
  if (list === 'r2_buckets') return `wrangler r2 bucket create ${bucket}`;
  return `wrangler kv namespace create ${vars?.STORES?.[binding]?.name ?? `${name}-${binding.toLowerCase()}`}`;
}

const idOf = ({ id, database_id, bucket_name }) => database_id ?? id ?? bucket_name;
const inherited = (toml, section, key) => section[key] ?? toml[key];
const samePath = (one, other) => String(one).replace(/^\.\//, '').replace(/\/$/, '') === other;
const twice = (values) => [...new Set(values.filter((value, at) => values.indexOf(value) !== at))];

/** A rule that looks at each environment by itself. */
const each = (look) => ({ toml, ...rest }) => sectionsOf(toml).flatMap(([environment, section]) =>
  look({ environment, section, toml, ...rest }).map((finding) => ({ ...finding, environment, what: `${environment}: ${finding.what}` })));

function environments({ toml }) {
  const others = Object.keys(toml.env ?? {}).filter((name) => name !== 'production');
  return [
    ...(toml.env?.production ? [] : [wrong('there is no [env.production]', 'Copy it from tests/config/wrangler.toml, also when production is not set up yet.')]),
    ...others.map((name) => wrong(`there is an [env.${name}]`, 'The gateway knows staging (the top level) and production.')),
    ...sectionsOf(toml).filter(([name, { vars }]) => vars?.ENVIRONMENT !== name)
      .map(([name, { vars }]) => wrong(`${name}: ENVIRONMENT is ${vars?.ENVIRONMENT ?? 'missing'}`, `It has to be ${name}: ENVIRONMENT = "${name}"`, name)),
  ];
}

const names = each(({ environment, section }) => (section.name ? [] : [
  wrong('the Worker has no name of its own', environment === 'staging' ? 'Set name at the top level.' : 'Set name in [env.production].'),
]));

// Routes, ENVIRONMENT, and a name or id that is missing have rules of their own.
const hasOwnRule = (problem) => /^(routes?\b|vars\.ENVIRONMENT|name must|(d1_databases|kv_namespaces)\.\w+\.(database_id|id) must)/.test(problem);

const separate = ({ toml }) => compareEnvironments(toml).shared.filter((problem) => !hasOwnRule(problem))
  .map((problem) => wrong(problem, 'Create one for each environment. What is shared is a door from one to the other.'));

const alike = ({ toml }) => compareEnvironments(toml).unlike.filter((problem) => !hasOwnRule(problem))
  .map((problem) => wrong(problem, 'What was tried in staging would be something else in production.'));

const distinct = each(({ section }) => {
  const ids = storesOf(section).map((store) => `${store.kind} ${idOf(store)}`).filter((id) => !id.endsWith('undefined'));
  const called = Object.entries(section.vars?.STORES ?? {}).flatMap(([binding, { kind, name, id }]) =>
    [...new Set([binding, name, id].filter((text) => text !== undefined))].map((text) => `${kind} ${text}`));
  return [
    ...twice(ids).map((id) => wrong(`two bindings are the same store: ${id}`, 'Bind each store once.')),
    ...twice(called).map((text) => wrong(`two stores of STORES are called the same: ${text}`, 'A binding, a name or an id may mean one store only.')),
  ];
});

const own = each(({ section }) => [
  ...Object.entries(ownStores).filter(([binding, list]) => !(section[list] ?? []).some((store) => store.binding === binding))
    .map(([binding, list]) => wrong(`${binding} is not bound`, `Add a [[${list}]] with binding = "${binding}".`)),
  ...Object.entries(ownObjects).filter(([name, type]) => !objectsOf(section).some((one) => one.name === name && one.class_name === type))
    .map(([name, type]) => wrong(`${name} is not bound to ${type}`, `Add a [[durable_objects.bindings]] with name = "${name}" and class_name = "${type}".`)),
  ...objectsOf(section).filter(({ name, class_name: type }) => ownObjects[name] === undefined && !Object.values(ownObjects).includes(type))
    .map(({ name }) => wrong(`the gateway has no objects ${name}`, 'Take the binding away.')),
  ...objectsOf(section).filter(({ script_name: script, environment }) => script !== undefined || environment !== undefined)
    .map(({ name }) => wrong(`${name} is bound to objects of another Worker`, 'Take script_name and environment away.')),
]);

const stores = each(({ section }) => {
  const targets = targetsOf(section);
  const described = section.vars?.STORES ?? {};
  const mismatches = targets.flatMap((target) => {
    const { binding, list, kind } = target;
    const store = described[binding];
    if (store === undefined) return [wrong(`${binding} (${list}) is bound and not in STORES`, `Agents cannot reach it. Add it to STORES, or take the binding away.`)];
    if (store.kind !== kind) return [wrong(`${binding} is of kind ${store.kind} in STORES, and bound as ${kind}`, `kind = "${kind}"`)];
    const differs = (what, told, bound) => wrong(`${binding}: its ${what} is ${told ?? 'missing'} in STORES, and bound as ${bound ?? 'nothing'}`, `The ${what} stands in both places, for clients and for Cloudflare.`);
    if (kind === 'd1') {
      return [
        ...(store.name === target.database_name ? [] : [differs('name', store.name, target.database_name)]),
        ...(store.id === target.database_id ? [] : [differs('id', store.id, target.database_id)]),
      ];
    }
    if (kind === 'kv') return store.id === target.id ? [] : [differs('id', store.id, target.id)];
    return store.name === target.bucket_name ? [] : [differs('name', store.name, target.bucket_name)];
  });
  const unbound = Object.keys(described).filter((binding) => !targets.some((target) => target.binding === binding));
  const isOwn = (binding) => binding in ownStores || binding in ownObjects;
  return [
    ...mismatches,
    ...unbound.map((binding) => (isOwn(binding)
      ? wrong(`${binding} is in STORES`, 'It is the gateway\'s own; agents must not reach it.')
      : wrong(`${binding} is in STORES and not bound`, 'Bind the store, or take it out of STORES.'))),
    ...(Object.keys(described).length > 0 ? [] : [wrong('STORES names no store', 'Name each store that agents work on.')]),
  ];
});

const classes = each(({ section, toml }) => {
  const kept = (inherited(toml, section, 'migrations') ?? []).flatMap(({ new_sqlite_classes: made }) => made ?? []);
  return Object.values(ownObjects).filter((type) => !kept.includes(type))
    .map((type) => wrong(`${type} does not keep its data in SQLite`, `[[migrations]] has to have it in new_sqlite_classes; it cannot be changed later.`));
});

const migrations = each(({ section }) => (section.d1_databases ?? []).flatMap(({ binding, migrations_dir: folder = binding === 'CONTROL' ? 'migrations' : undefined }) => {
  if (binding === 'CONTROL') return samePath(folder, 'migrations') ? [] : [wrong(`the migrations of CONTROL are in ${folder}`, 'migrations_dir = "migrations"')];
  return folder !== undefined && samePath(folder, 'migrations') ? [wrong(`${binding} would get the migrations of CONTROL`, 'Give it a migrations_dir of its own, or none.')] : [];
}));

const secretName = /KEY|SECRET|TOKEN|PASSWORD|WEBHOOK/i;
const secretValue = /dr[kt]_(staging|production)_/;
const secrets = each(({ section }) => Object.entries(section.vars ?? {})
  .filter(([name, value]) => secretName.test(name) || secretValue.test(JSON.stringify(value)))
  .map(([name]) => wrong(`${name} looks like a secret`, `Anybody who sees the repository has it. Take it away, exchange it, and use: wrangler secret put ${name}`)));

const build = each(({ environment, section, toml }) => [
  ...(samePath(inherited(toml, section, 'main'), 'build/index.js') ? [] : [wrong(`main is ${inherited(toml, section, 'main') ?? 'missing'}`, 'main = "build/index.js"')]),
  ...(samePath(inherited(toml, section, 'build')?.command, 'scripts/build') ? [] : [wrong('what is deployed is not built first', '[build] command = "scripts/build"')]),
  ...(inherited(toml, section, 'compatibility_date') ? [] : [wrong('there is no compatibility_date', 'Set it as in tests/config/wrangler.toml.')]),
].filter(() => environment === 'staging' || ['main', 'build', 'compatibility_date'].some((key) => key in section)));

const previews = each(({ section, toml }) => (inherited(toml, section, 'preview_urls') === false ? [] : [
  wrong('previews are not off', 'preview_urls = false: each one would be another door to the same stores.'),
]));

const logs = each(({ section, toml }) => {
  const { enabled = false, logs: { invocation_logs: invocations = true } = {} } = inherited(toml, section, 'observability') ?? {};
  return [
    ...(enabled && invocations ? [wrong('requests are logged with their addresses', '[observability.logs] invocation_logs = false: keys and names stand in addresses.')] : []),
    ...(enabled ? [] : [note('log lines are not kept', '[observability] enabled = true: some failures can be told nowhere else.')]),
  ];
});

const remote = each(({ section }) => storesOf(section).filter((store) => store.remote === true || store.experimental_remote === true)
  .map(({ binding }) => wrong(`${binding} is remote, so a gateway on somebody's machine would work on the real store`, 'Take remote = true away.')));

/** `route` and `routes` as { pattern, custom_domain }, with whether they come from the top level. */
function routesOf(toml, section) {
  const list = (from) => [from.routes ?? [], from.route ?? []].flat().map((route) => (typeof route === 'string' ? { pattern: route } : route));
  const has = section.routes !== undefined || section.route !== undefined;
  return { routes: list(has ? section : toml), taken: !has && section !== toml };
}

const hostOf = (pattern) => String(pattern).replace(/^[a-z]+:\/\//i, '').split('/')[0].replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();

/** Whether a host can be reached by both. A `*` stands at the beginning only. */
export function overlap(one, other) {
  const [a, b] = [hostOf(one), hostOf(other)];
  const [wildA, wildB] = [a.startsWith('*'), b.startsWith('*')];
  if (!wildA && !wildB) return a === b;
  const [tailA, tailB] = [a.replace(/^\*/, ''), b.replace(/^\*/, '')];
  if (wildA && wildB) return tailA.endsWith(tailB) || tailB.endsWith(tailA);
  return wildA ? b.endsWith(tailA) : a.endsWith(tailB);
}

function doors({ toml }) {
  const [[, staging], [, production]] = sectionsOf(toml);
  const [here, there] = [routesOf(toml, staging), routesOf(toml, production)];
  if (there.taken && there.routes.length > 0) {
    return [wrong('production has no routes of its own, so it takes those of the top level', 'Give [env.production] its routes, or routes = [].')];
  }
  const crossed = here.routes.flatMap(({ pattern }) => there.routes.filter((other) => overlap(pattern, other.pattern))
    .map((other) => wrong(`the route ${pattern} of the top level reaches ${other.pattern} of production`, 'A bare wrangler deploy would stand where production is. Give staging a host of its own.')));
  const plain = [['staging', here], ['production', there]].flatMap(([environment, { routes }]) => routes.filter((route) => route.custom_domain !== true)
    .map(({ pattern }) => note(`${environment}: the route ${pattern} has a server behind it`, 'Set it to fail closed under Workers Routes, or better: custom_domain = true.', environment)));
  return [...crossed, ...plain];
}

const account = each(({ section, toml }) => {
  const id = inherited(toml, section, 'account_id');
  return id === undefined || id === section.vars?.ACCOUNT_ID ? [] : [wrong(`account_id is ${id}, and ACCOUNT_ID is ${section.vars?.ACCOUNT_ID ?? 'missing'}`, 'Clients name in the path the account that is deployed to: both are the same. An environment without account_id takes that of the top level.')];
});

const shapes = { d1_databases: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, kv_namespaces: /^[0-9a-f]{32}$/i };
const isExample = (host) => /(^|\.)(example(\.(com|org|net))?|test|invalid|localhost)$/.test(host);

const setUp = each(({ environment, section, toml, example }) => {
  const placeholders = new Set(sectionsOf(example).flatMap(([, other]) => storesOf(other).filter(({ list }) => list in shapes).map(idOf)));
  const ids = storesOf(section).filter(({ list }) => list in shapes).flatMap((store) => {
    const id = idOf(store);
    const places = store.binding in ownStores ? 'put there the id that it prints' : 'put there, and into STORES, the id that it prints';
    const make = (what) => [todo(what, `${createCommand(section, store)}, and ${places}`)];
    if (placeholders.has(id)) return make(`the id of ${store.binding} is that of the example`);
    return shapes[store.list].test(id ?? '') ? [] : make(`the id of ${store.binding} is none of Cloudflare's: ${id ?? 'missing'}`);
  });
  const known = section.vars?.ACCOUNT_ID;
  const hosts = routesOf(toml, section).routes.map(({ pattern }) => hostOf(pattern)).filter(isExample);
  return [
    ...ids,
    ...(/^[0-9a-f]{32}$/.test(known ?? '') ? [] : [todo(`ACCOUNT_ID is ${known ?? 'missing'}`, `Put the id of ${environment}'s account there: wrangler whoami`)]),
    ...hosts.map((host) => todo(`the route leads to ${host}`, 'Name a host of your own.')),
  ];
});

/** In the order in which they are shown. A rule is named by what is true when it finds nothing. */
export const rules = [
  ['the top level is staging, [env.production] is production, and there is no other', environments],
  ['each Worker has a name of its own', names],
  ['nothing of one environment is in the other', separate],
  ['both environments have the same bindings, object classes and variables', alike],
  ['no two stores of an environment are the same', distinct],
  ['CONTROL, FLAGS, RUN and SHADOW are bound, and nothing of another Worker', own],
  ['STORES and the bindings say the same: kind, name, id', stores],
  ['the objects keep their data in SQLite', classes],
  ['the folder migrations is for CONTROL alone', migrations],
  ['no secret is written down', secrets],
  ['what is deployed is what scripts/build makes', build],
  ['there are no previews', previews],
  ['log lines are kept, and requests are not', logs],
  ['a gateway on this machine works on local stores', remote],
  ['no route of staging reaches production, and each has its own', doors],
  ['account_id, where it is named, is ACCOUNT_ID', account],
  ['ids, account and hosts are yours', setUp],
];

/** Judges a parsed file. `example` is the parsed tests/config/wrangler.toml. Answers [{ rule, findings }]. */
export function judge(toml, example) {
  // Without production there is nothing to compare.
  const judged = toml.env?.production ? rules : rules.slice(0, 1);
  return judged.map(([rule, look]) => ({ rule, findings: look({ toml, example }) }));
}
