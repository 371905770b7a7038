// The rules for wrangler.toml. Pure: a rule gets the parsed file and answers what it found.
//
// A finding is { level, what, remedy, environment }. `wrong` must be corrected; `todo` is a part of setting up that is
// not done yet, so that environment cannot be deployed; `note` is allowed. The bounds of variables are not here:
// examples/settings.rs asks the Worker's own code.

import { compareEnvironments } from './config_diff.mjs';

const kinds = { d1_databases: 'd1', kv_namespaces: 'kv', r2_buckets: 'r2' };
const ownStores = { CONTROL: 'd1_databases', FLAGS: 'kv_namespaces' };
const ownObjects = { RUN: 'RunObject', SHADOW: 'ShadowObject' };
const isOwn = (binding) => binding in ownStores || binding in ownObjects;

const wrong = (what, remedy, environment) => ({ level: 'wrong', what, remedy, environment });
const todo = (what, remedy, environment) => ({ level: 'todo', what, remedy, environment });
const note = (what, remedy, environment) => ({ level: 'note', what, remedy, environment });
const unless = (holds, finding) => (holds ? [] : [finding()]);

/** Both environments with their sections. */
export const sectionsOf = (toml) => [['staging', toml], ['production', toml.env?.production ?? {}]];

/** The stores that a section binds, each with its list in wrangler.toml and its kind. */
export function storesOf(section) {
  return Object.entries(kinds).flatMap(([list, kind]) => (section[list] ?? []).map((store) => ({ list, kind, ...store })));
}

/** The command that creates a store. Without --env wrangler takes the account_id of the top level, also for production's stores. */
export function createCommand(environment, { name, vars }, { list, binding, database_name: database, bucket_name: bucket }) {
  const title = vars?.STORES?.[binding]?.name ?? `${name}-${binding.toLowerCase()}`;
  const commands = {
    d1_databases: `wrangler d1 create ${database}`,
    kv_namespaces: `wrangler kv namespace create ${title}`,
    r2_buckets: `wrangler r2 bucket create ${bucket}`,
  };
  return `${commands[list]}${environment === 'staging' ? '' : ` --env ${environment}`}`;
}

const objectsOf = (section) => section.durable_objects?.bindings ?? [];
const targetsOf = (section) => storesOf(section).filter(({ binding }) => !(binding in ownStores));
const describedIn = ({ vars: { STORES = {} } = {} }) => (typeof STORES === 'string' ? {} : STORES);
const idOf = ({ id, database_id: database, bucket_name: bucket }) => database ?? id ?? bucket;
const inherited = (toml, section, key) => section[key] ?? toml[key];
const isPath = (text, expected) => String(text).replace(/^\.\//, '').replace(/\/$/, '') === expected;
const repeated = (values) => [...new Set(values.filter((value, at) => values.indexOf(value) !== at))];

/** A rule for each environment by itself. */
const each = (look) => ({ toml, ...rest }) => sectionsOf(toml).flatMap(([environment, section]) => {
  const findings = look({ environment, section, toml, ...rest });
  return findings.map((finding) => ({ ...finding, environment, what: `${environment}: ${finding.what}` }));
});

function environments({ toml }) {
  const others = Object.keys(toml.env ?? {}).filter((name) => name !== 'production');
  return [
    ...unless(toml.env?.production, () => wrong('[env.production] is missing', 'Copy it from tests/config/wrangler.toml.')),
    ...others.map((name) => wrong(`[env.${name}] is unknown`, 'The gateway has two environments: the top level is staging.')),
    ...sectionsOf(toml).flatMap(([name, { vars }]) => unless(vars?.ENVIRONMENT === name, () =>
      wrong(`${name}: ENVIRONMENT is ${vars?.ENVIRONMENT ?? 'missing'}`, `Set ENVIRONMENT = "${name}".`, name))),
  ];
}

const names = each(({ environment, section }) => unless(section.name, () =>
  wrong('the Worker has no name', `Set name ${environment === 'staging' ? 'at the top level' : 'in [env.production]'}.`)));

// Routes, ENVIRONMENT, and a missing name or id have rules of their own.
const hasOwnRule = (problem) =>
  /^(routes?\b|vars\.ENVIRONMENT|name must|(d1_databases|kv_namespaces)\.\w+\.(database_id|id) must)/.test(problem);

const separate = ({ toml }) => compareEnvironments(toml).shared.filter((problem) => !hasOwnRule(problem))
  .map((problem) => wrong(problem, 'Create one for each environment: through a shared one staging reaches production.'));

const alike = ({ toml }) => compareEnvironments(toml).unlike.filter((problem) => !hasOwnRule(problem))
  .map((problem) => wrong(problem, 'Make both the same, or staging does not show what production will do.'));

const distinct = each(({ section }) => {
  const ids = storesOf(section).filter((store) => idOf(store) !== undefined).map((store) => `${store.kind} ${idOf(store)}`);
  const called = Object.entries(describedIn(section)).flatMap(([binding, { kind, name, id }]) =>
    [...new Set([binding, name, id])].filter((text) => text !== undefined).map((text) => `${kind} ${text}`));
  return [
    ...repeated(ids).map((id) => wrong(`two bindings are the same store: ${id}`, 'Bind each store once.')),
    ...repeated(called).map((text) =>
      wrong(`two stores in STORES have the same name: ${text}`, 'A binding, a name or an id must mean one store.')),
  ];
});

const own = each(({ section }) => {
  const bound = (binding, list) => (section[list] ?? []).some((store) => store.binding === binding);
  const objects = objectsOf(section);
  return [
    ...Object.entries(ownStores).flatMap(([binding, list]) => unless(bound(binding, list), () =>
      wrong(`${binding} is not bound`, `Add a [[${list}]] with binding = "${binding}".`))),
    ...Object.entries(ownObjects).flatMap(([name, type]) =>
      unless(objects.some((one) => one.name === name && one.class_name === type), () =>
        wrong(`${name} is not bound to ${type}`, `Add a [[durable_objects.bindings]] with name "${name}", class_name "${type}".`))),
    ...objects.filter(({ name, class_name: type }) => !(name in ownObjects) && !Object.values(ownObjects).includes(type))
      .map(({ name }) => wrong(`the gateway has no objects for ${name}`, 'Remove the binding.')),
    ...objects.filter((one) => one.script_name !== undefined || one.environment !== undefined)
      .map(({ name }) => wrong(`${name} is bound to objects of another Worker`, 'Remove script_name and environment.')),
  ];
});

/** What STORES says of a target that its binding does not. */
function mismatches(described, { binding, list, kind, ...bound }) {
  const store = described[binding];
  if (store === undefined) {
    return [wrong(`${binding} (${list}) is bound, but not in STORES`, 'Add it to STORES, or remove the binding.')];
  }
  if (store.kind !== kind) return [wrong(`${binding}: STORES has the kind ${store.kind}, its binding is ${kind}`, `Set kind = "${kind}".`)];
  const pairs = {
    d1: [['name', bound.database_name], ['id', bound.database_id]],
    kv: [['id', bound.id]],
    r2: [['name', bound.bucket_name]],
  };
  return pairs[kind].filter(([member, value]) => store[member] !== value).map(([member, value]) => wrong(
    `${binding}: STORES has the ${member} ${store[member] ?? '(none)'}, its binding has ${value ?? '(none)'}`,
    `Write the same ${member} in both places: clients use the one, Cloudflare the other.`,
  ));
}

const stores = each(({ section }) => {
  if (typeof section.vars?.STORES === 'string') {
    return [wrong('STORES is a text', 'Write it as a table, [vars.STORES], with one line for each store.')];
  }
  const [targets, described] = [targetsOf(section), describedIn(section)];
  const unbound = Object.keys(described).filter((binding) => !targets.some((target) => target.binding === binding));
  return [
    ...targets.flatMap((target) => mismatches(described, target)),
    ...unbound.map((binding) => (isOwn(binding)
      ? wrong(`${binding} is in STORES`, 'Remove it: it is the gateway\'s own, and agents must not reach it.')
      : wrong(`${binding} is in STORES, but not bound`, 'Bind the store, or remove it from STORES.'))),
    ...unless(Object.keys(described).length > 0, () => wrong('STORES is empty', 'Add each store that agents work on.')),
  ];
});

const classes = each(({ section, toml }) => {
  const inSqlite = (inherited(toml, section, 'migrations') ?? []).flatMap(({ new_sqlite_classes: made }) => made ?? []);
  return Object.values(ownObjects).filter((type) => !inSqlite.includes(type)).map((type) =>
    wrong(`${type} does not store its data in SQLite`, 'Add it to new_sqlite_classes in [[migrations]].'));
});

const migrations = each(({ section }) => (section.d1_databases ?? []).flatMap(({ binding, migrations_dir: folder }) => {
  if (binding === 'CONTROL') {
    return unless(isPath(folder ?? 'migrations', 'migrations'), () =>
      wrong(`CONTROL has the migrations of ${folder}`, 'Set migrations_dir = "migrations".'));
  }
  return unless(folder === undefined || !isPath(folder, 'migrations'), () =>
    wrong(`${binding} has the migrations of CONTROL`, 'Set another migrations_dir, or none.'));
}));

const secretName = /KEY|SECRET|TOKEN|PASSWORD|WEBHOOK/i;
const secretValue = /dr[kt]_(staging|production)_/;
const secrets = each(({ section }) => Object.entries(section.vars ?? {})
  .filter(([name, value]) => secretName.test(name) || secretValue.test(JSON.stringify(value)))
  .map(([name]) => wrong(
    `the variable ${name} looks like a secret`,
    `Remove it, replace the secret everywhere, and set the new one: wrangler secret put ${name}`,
  )));

const built = {
  main: (main) => unless(isPath(main, 'build/index.js'), () => wrong(`main is ${main ?? 'missing'}`, 'Set main = "build/index.js".')),
  build: (build) => unless(isPath(build?.command, 'scripts/build'), () =>
    wrong('nothing is built before a deployment', 'Set command = "scripts/build" in [build].')),
  compatibility_date: (date) => unless(date, () => wrong('compatibility_date is missing', 'Copy it from tests/config/wrangler.toml.')),
};
// Production inherits these. It is looked at where it has its own.
const build = each(({ environment, section }) => Object.entries(built)
  .filter(([key]) => environment === 'staging' || key in section).flatMap(([key, look]) => look(section[key])));

const previews = each(({ section, toml }) => unless(inherited(toml, section, 'preview_urls') === false, () =>
  wrong('preview URLs are on', 'Set preview_urls = false: each one is another way to the same stores.')));

const logs = each(({ section, toml }) => {
  const { enabled = false, logs: { invocation_logs: requests = true } = {} } = inherited(toml, section, 'observability') ?? {};
  if (!enabled) return [note('log lines are not kept', 'Set enabled = true in [observability]: some failures are only logged.')];
  return unless(!requests, () => wrong(
    'requests are logged with their addresses', 'Set invocation_logs = false in [observability.logs]: addresses hold keys and names.'));
});

const remote = each(({ section }) => storesOf(section)
  .filter((store) => store.remote === true || store.experimental_remote === true)
  .map(({ binding }) => wrong(`${binding} is remote: wrangler dev would use the real store`, 'Remove remote = true.')));

/** `route` and `routes` as { pattern, custom_domain }, and whether they come from the top level. */
function routesOf(toml, section) {
  const has = section.routes !== undefined || section.route !== undefined;
  const { routes = [], route = [] } = has ? section : toml;
  const list = [routes, route].flat().map((one) => (typeof one === 'string' ? { pattern: one } : one));
  return { routes: list, taken: !has && section !== toml };
}

function hostOf(pattern) {
  const [host] = String(pattern).toLowerCase().replace(/^[a-z]+:\/\//, '').split('/');
  return host.replace(/:\d*$/, '').replace(/\.$/, '');
}

/** Whether two patterns have a host in common. A `*` can only be at the beginning. */
export function overlap(one, other) {
  const [a, b] = [hostOf(one), hostOf(other)];
  const [wildA, wildB] = [a.startsWith('*'), b.startsWith('*')];
  if (!wildA && !wildB) return a === b;
  const [tailA, tailB] = [a.replace(/^\*/, ''), b.replace(/^\*/, '')];
  if (wildA && wildB) return tailA.endsWith(tailB) || tailB.endsWith(tailA);
  return wildA ? b.endsWith(tailA) : a.endsWith(tailB);
}

function routes({ toml }) {
  const [staging, production] = sectionsOf(toml).map(([, section]) => routesOf(toml, section));
  if (production.taken && production.routes.length > 0) {
    return [wrong('production inherits the routes of the top level', 'Set routes in [env.production]; routes = [] for none.')];
  }
  const crossed = staging.routes.flatMap(({ pattern }) => production.routes.filter((other) => overlap(pattern, other.pattern))
    .map((other) => wrong(
      `the route ${pattern} of the top level reaches ${other.pattern} of production`,
      'Give staging a host of its own: a bare wrangler deploy would take over production\'s.',
    )));
  const plain = Object.entries({ staging, production }).flatMap(([environment, { routes: list }]) =>
    list.filter((route) => route.custom_domain !== true).map(({ pattern }) => note(
      `${environment}: the route ${pattern} has an origin behind it`,
      'Set it to fail closed under Workers Routes, or use custom_domain = true.', environment,
    )));
  return [...crossed, ...plain];
}

const account = each(({ section, toml }) => {
  const id = inherited(toml, section, 'account_id');
  return unless(id === undefined || id === section.vars?.ACCOUNT_ID, () => wrong(
    `account_id is ${id}, ACCOUNT_ID is ${section.vars?.ACCOUNT_ID ?? 'missing'}`,
    'Set both to the account that is deployed to. Without its own account_id production inherits that of the top level.',
  ));
});

const shapes = { d1_databases: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, kv_namespaces: /^[0-9a-f]{32}$/i };
const isExample = (host) => /(^|\.)(example(\.(com|org|net))?|test|invalid|localhost)$/.test(host);
const withId = (section) => storesOf(section).filter(({ list }) => list in shapes);

const setUp = each(({ environment, section, toml, example }) => {
  const placeholders = new Set(sectionsOf(example).flatMap(([, other]) => withId(other).map(idOf)));
  const ids = withId(section).flatMap((store) => {
    const id = idOf(store);
    const places = store.binding in ownStores ? 'wrangler.toml' : 'wrangler.toml, in both places';
    const make = (what) => [todo(what, `Run ${createCommand(environment, section, store)} and write the printed id into ${places}.`)];
    if (placeholders.has(id)) return make(`${store.binding} has the id of the example`);
    return shapes[store.list].test(id ?? '') ? [] : make(`${store.binding} has an id that is not one of Cloudflare's: ${id ?? '(none)'}`);
  });
  const known = section.vars?.ACCOUNT_ID;
  const hosts = routesOf(toml, section).routes.map(({ pattern }) => hostOf(pattern)).filter(isExample);
  return [
    ...ids,
    ...unless(/^[0-9a-f]{32}$/.test(known ?? ''), () =>
      todo(`ACCOUNT_ID is ${known ?? 'missing'}`, `Set it to the id of ${environment}'s account: wrangler whoami`)),
    ...hosts.map((host) => todo(`the route has the host ${host}`, 'Set a host of your own.')),
  ];
});

/** In the order in which they are shown. A rule is named by what is true when it finds nothing. */
export const rules = [
  ['there are two environments: staging (the top level) and production', environments],
  ['each Worker has a name', names],
  ['the environments share no name, id or bucket', separate],
  ['the environments have the same bindings, object classes and variables', alike],
  ['each store is bound once, and each name means one store', distinct],
  ['CONTROL, FLAGS, RUN and SHADOW are bound to the gateway\'s own stores and objects', own],
  ['STORES matches the bindings: kind, name, id', stores],
  ['the objects store their data in SQLite', classes],
  ['the folder migrations is used for CONTROL only', migrations],
  ['no variable holds a secret', secrets],
  ['scripts/build builds what is deployed', build],
  ['preview URLs are off', previews],
  ['log lines are kept, and requests are not logged', logs],
  ['no binding is remote', remote],
  ['the routes of staging and production are separate', routes],
  ['account_id matches ACCOUNT_ID', account],
  ['ids, accounts and hosts are set up', setUp],
];

/** Judges a parsed file. `example` is the parsed tests/config/wrangler.toml. Answers [{ rule, findings }]. */
export function judge(toml, example) {
  // Without production there is nothing to compare.
  const judged = toml.env?.production ? rules : rules.slice(0, 1);
  return judged.map(([rule, look]) => ({ rule, findings: look({ toml, example }) }));
}
