// The gateway in real workerd, on stores that the test can watch, break and look into. See startGateway.

import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { environmentSettings, projectFolder } from './settings.mjs';
import { simulatorOf, writeConfig } from './config.mjs';
import { Runtime } from './runtime.mjs';
import { StoreProxy } from './store_proxy.mjs';
import { Backdoor } from './backdoor.mjs';
import { Client } from './client.mjs';

export { both, onKey, reads, writes } from './wire.mjs';

const roles = { agent: 'agent', agent2: 'agent', approver: 'approver', operator: 'operator' };

/**
 * @param environment  'staging' or 'production': which part of tests/config/wrangler.toml gives names, variables and bindings
 * @param marker       what CONTROL says it belongs to; null leaves the marker out
 * @param vars         variables over those of tests/config/wrangler.toml; undefined takes one away
 * @param secrets      secrets over the generated KEYS and TOKEN_SECRET; undefined takes one away
 * @param build        folder of the compiled Worker
 * @param modules      instead of `build`: { 'index.js': source, … }, the first is the entry
 * @param state        folder that the stores persist in; without it a fresh one that `stop` removes
 * @param proxied      false binds the stores directly: no recorder, no faults, no detour
 * @param databases    bindings of further D1 databases, each a target of policy live
 * @param neighbours   { name: source } of Workers in the same process, with direct bindings to every store and the service binding GATEWAY
 * @param v8Flags      flags of the engine
 */
export async function startGateway({
  environment = 'staging', marker = environment, vars = {}, secrets = {}, build = 'build', modules, state, proxied = true, databases = [], neighbours = {}, v8Flags = [],
} = {}) {
  const folder = state ? path.resolve(state) : mkdtempSync(path.join(tmpdir(), 'dryrun-gateway-'));
  mkdirSync(folder, { recursive: true });
  const settings = withDatabases(environmentSettings(environment), databases, environment);
  const keys = Object.fromEntries(Object.keys(roles).map((name) => [name, newKey(environment)]));
  const bindings = definedOnly({
    ...settings.vars,
    ...vars,
    KEYS: JSON.stringify(Object.entries(keys).map(([name, key]) => ({ name, role: roles[name], sha256: sha256(key) }))),
    TOKEN_SECRET: randomBytes(32).toString('hex'),
    ...secrets,
  });

  let runtime;
  const portOf = (socket) => () => {
    const port = runtime.ports[socket];
    if (port === undefined || runtime.pid === null) throw new Error(`${socket}: workerd is not running`);
    return port;
  };
  const proxy = proxied ? new StoreProxy(settings.stores, (binding) => portOf(simulatorOf(binding))()) : null;
  const configFile = writeConfig({
    folder, settings, bindings, modules: modules ? modulesOf(modules) : modulesIn(path.resolve(projectFolder, build)),
    proxyPorts: (await proxy?.start()) ?? {}, neighbours, v8Flags,
  });
  runtime = new Runtime(configFile, ['gateway', 'backdoor', ...Object.keys(neighbours), ...settings.stores.map(({ binding }) => simulatorOf(binding))]);
  const client = new Client(portOf('gateway'));
  const backdoorClient = new Client(portOf('backdoor'));
  const backdoor = new Backdoor(settings.stores, (...request) => backdoorClient.send(...request));
  const stores = backdoor.clients();
  const needProxy = () => proxy ?? fail('this gateway was started with proxied: false');

  const stop = async () => {
    await runtime.kill();
    await proxy?.stop();
    client.forgetConnections();
    backdoorClient.forgetConnections();
    if (!state) rmSync(folder, { recursive: true, force: true });
  };
  try {
    await runtime.start();
    await prepareControl(stores.control, marker);
  } catch (error) {
    await stop();
    throw error;
  }
  const port = runtime.ports.gateway;

  const gateway = {
    url: `http://127.0.0.1:${port}`,
    environment,
    keys,
    state: folder,
    ...stores,
    contents: () => backdoor.contents(),
    digest: () => backdoor.digest(),
    logs: () => runtime.logs(),
    /** The port of 'gateway' or of a neighbour; a neighbour's changes with a restart. */
    portOf: (name) => portOf(name)(),
    get pid() {
      return runtime.pid;
    },
    recorder: {
      get requests() {
        return needProxy().requests;
      },
      clear: () => void (needProxy().requests.length = 0),
    },
    /** Breaks `store` for requests that match `predicate` (null: all). Kinds: see faults.mjs. Options: after, times. The latest fault wins. */
    fault: async (store, predicate, kind, options) => needProxy().fault(store, predicate, kind, options),
    heal: (store) => needProxy().heal(store),
    /** `key`: a name out of `keys` or any text; `token`: a run token. */
    api: (target, { key, token, headers = {}, ...options } = {}) => {
      const credential = token ?? keys[key] ?? key;
      const authorization = credential === undefined ? {} : { authorization: `Bearer ${credential}` };
      return client.send(target, { ...options, headers: { ...authorization, ...headers } });
    },
    kill: async () => {
      await runtime.kill();
      proxy?.forgetConnections();
      client.forgetConnections();
      backdoorClient.forgetConnections();
    },
    restart: async () => {
      if (runtime.pid !== null) await gateway.kill();
      await runtime.start({ gateway: port });
    },
    stop,
  };
  return gateway;
}

function withDatabases(settings, databases, environment) {
  // No id is in two environments.
  const suffix = environment === 'staging' ? '' : `-${environment}`;
  const stores = databases.map((binding) => ({ binding, kind: 'd1', target: true }));
  const known = Object.fromEntries(databases.map((binding) => [binding, { kind: 'd1', name: `${binding.toLowerCase()}-database`, id: `${binding.toLowerCase()}-id${suffix}`, policy: 'live' }]));
  return { ...settings, stores: [...settings.stores, ...stores], vars: { ...settings.vars, STORES: { ...settings.vars.STORES, ...known } } };
}

function newKey(environment) {
  return `drk_${environment}_${randomBytes(32).toString('base64url')}`;
}

function sha256(text) {
  return createHash('sha256').update(text).digest('hex');
}

function definedOnly(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function fail(message) {
  throw new Error(message);
}

function modulesOf(sources) {
  return Object.entries(sources).map(([name, content]) => ({ name, content }));
}

function modulesIn(folder) {
  const names = readdirSync(folder).filter((name) => /\.(js|mjs|wasm|txt|html)$/.test(name) && statSync(path.join(folder, name)).isFile());
  if (!names.includes('index.js')) fail(`${folder} holds no index.js: run make build first`);
  names.sort((left, right) => Number(right === 'index.js') - Number(left === 'index.js') || (left < right ? -1 : 1));
  return names.map((name) => ({ name, content: readFileSync(path.join(folder, name)) }));
}

// As `wrangler d1 migrations apply` and `make dev` do it, so that a persisted state can be opened by both.
export async function prepareControl(control, marker) {
  await control.exec(`CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE,
    applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`);
  const applied = new Set((await control.all('SELECT name FROM d1_migrations')).map(({ name }) => name));
  const folder = path.join(projectFolder, 'migrations');
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.sql') && !applied.has(file)).sort()) {
    const sql = readFileSync(path.join(folder, name), 'utf8').trimEnd();
    await control.exec(`${sql}${sql.endsWith(';') ? '' : ';'}\nINSERT INTO d1_migrations (name) VALUES ('${name}')`);
  }
  if (marker !== null) {
    await control.exec(`INSERT INTO environment_marker (id, environment) VALUES (1, '${marker}') ON CONFLICT (id) DO NOTHING`);
  }
}
