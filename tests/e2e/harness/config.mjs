// Writes the configuration of one workerd process in Cap'n Proto text:
// the gateway, the simulators of its stores (Miniflare's), and the back door to them.

import { readFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const miniflareWorkers = path.join(path.dirname(createRequire(import.meta.url).resolve('miniflare')), 'workers');
const simulators = {
  d1: { source: 'd1/database.worker.js', className: 'D1DatabaseObject' },
  kv: { source: 'kv/namespace.worker.js', className: 'KVNamespaceObject' },
  r2: { source: 'r2/bucket.worker.js', className: 'R2BucketObject' },
};
const moduleKinds = { '.js': 'esModule', '.mjs': 'esModule', '.wasm': 'wasm', '.txt': 'text', '.html': 'text' };

const text = (value) =>
  `"${String(value).replace(/["\\]/g, '\\$&').replace(/[\x00-\x1f\x7f]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`;
const list = (items) => `[${items.join(', ')}]`;

export const simulatorOf = (binding) => `simulator-${binding}`;
export const proxyOf = (binding) => `proxy-${binding}`;

/**
 * @param folder     where the file, the modules and the stores go
 * @param settings   see settings.mjs
 * @param modules    [{ name, content }], the first is the entry
 * @param bindings   { name: value }, text when a string, else JSON
 * @param proxyPorts { binding: port } of the recording proxies; a store without one is bound to its simulator directly
 * @param neighbours { name: source } of other Workers on the same stores; GATEWAY is their service binding to the gateway, and they reach 127.0.0.1
 * @param v8Flags    flags of the engine, for all Workers of the process
 */
export function writeConfig({ folder, settings, modules, bindings, proxyPorts, neighbours = {}, v8Flags = [] }) {
  const moduleFolder = path.join(folder, 'modules');
  mkdirSync(moduleFolder, { recursive: true });

  // Copies, so that a restart runs what was started even when somebody has built in between.
  let written = 0;
  const module = ({ name, content }) => {
    const kind = moduleKinds[path.extname(name)] ?? 'esModule';
    const file = `${written++}-${name.replace(/[^\w.]/g, '_')}`;
    writeFileSync(path.join(moduleFolder, file), content);
    return `(name = ${text(name)}, ${kind} = embed ${text(`modules/${file}`)})`;
  };
  const miniflareModule = (name, source) => module({ name, content: readFileSync(path.join(miniflareWorkers, source)) });
  const disk = (name) => {
    const directory = path.join(folder, name);
    mkdirSync(directory, { recursive: true });
    return `(name = ${text(`disk-${name}`)}, disk = (path = ${text(directory)}, writable = true))`;
  };

  const storeBinding = ({ binding, kind }, service) => {
    const shapes = {
      d1: `wrapped = (moduleName = "cloudflare-internal:d1-api", innerBindings = [(name = "fetcher", service = ${text(service)})])`,
      kv: `kvNamespace = ${text(service)}`,
      r2: `r2Bucket = ${text(service)}`,
    };
    return `(name = ${text(binding)}, ${shapes[kind]})`;
  };
  const serviceForGateway = ({ binding }) => (binding in proxyPorts ? proxyOf(binding) : simulatorOf(binding));
  const valueBinding = ([name, value]) =>
    `(name = ${text(name)}, ${typeof value === 'string' ? `text = ${text(value)}` : `json = ${text(JSON.stringify(value))}`})`;
  const flags = (names) => list(names.map(text));

  const gateway = `(name = "gateway", worker = (
    modules = ${list(modules.map(module))},
    compatibilityDate = ${text(settings.compatibilityDate)}, compatibilityFlags = ${flags(settings.compatibilityFlags)},
    bindings = ${list([
      ...settings.stores.map((store) => storeBinding(store, serviceForGateway(store))),
      ...settings.objects.map(({ binding, className }) => `(name = ${text(binding)}, durableObjectNamespace = ${text(className)})`),
      ...Object.entries(bindings).map(valueBinding),
    ])},
    durableObjectNamespaces = ${list(settings.objects.map(({ className }) =>
      `(className = ${text(className)}, uniqueKey = ${text(`${settings.name}-${className}`)}, enableSql = true)`))},
    durableObjectStorage = (localDisk = "disk-objects"),
    globalOutbound = "network"))`;

  const onTheStores = (name, content, compatibilityFlags) => `(name = ${text(name)}, worker = (
    modules = ${list([module({ name: `${name}.js`, content })])},
    compatibilityDate = ${text(settings.compatibilityDate)}, compatibilityFlags = ${flags(compatibilityFlags)},
    bindings = ${list([...settings.stores.map((store) => storeBinding(store, simulatorOf(store.binding))), '(name = "GATEWAY", service = "gateway")'])},
    globalOutbound = "network"))`;
  const backdoor = onTheStores('backdoor', readFileSync(new URL('./backdoor_worker.js', import.meta.url)), ['nodejs_compat']);

  const simulatorWorkers = Object.entries(simulators).map(([kind, { source, className }]) => `(name = ${text(`objects-${kind}`)}, worker = (
    modules = ${list([miniflareModule(`${kind}.js`, source)])},
    compatibilityDate = "2023-07-24", compatibilityFlags = ["nodejs_compat", "experimental"],
    bindings = [(name = "MINIFLARE_BLOBS", service = ${text(`disk-${kind}`)})],
    durableObjectNamespaces = [(className = ${text(className)}, uniqueKey = ${text(`miniflare-${className}`)})],
    durableObjectStorage = (localDisk = ${text(`disk-${kind}`)})))`);

  const simulatorEntries = settings.stores.map(({ binding, kind }) => `(name = ${text(simulatorOf(binding))}, worker = (
    modules = ${list([miniflareModule('entry.js', 'shared/object-entry.worker.js')])},
    compatibilityDate = "2023-07-24",
    bindings = [(name = "MINIFLARE_NAMESPACE", text = ${text(binding)}),
      (name = "MINIFLARE_OBJECT", durableObjectNamespace = (serviceName = ${text(`objects-${kind}`)}, className = ${text(simulators[kind].className)}))]))`);

  const proxies = Object.entries(proxyPorts).map(([binding, port]) =>
    `(name = ${text(proxyOf(binding))}, external = (address = "127.0.0.1:${port}", http = ()))`);

  const sockets = ['gateway', 'backdoor', ...Object.keys(neighbours), ...settings.stores.map(({ binding }) => simulatorOf(binding))].map(
    (service) => `(name = ${text(service)}, address = "127.0.0.1:0", http = (), service = ${text(service)})`);

  const services = [
    gateway,
    backdoor,
    ...Object.entries(neighbours).map(([name, source]) => onTheStores(name, source, settings.compatibilityFlags)),
    ...simulatorWorkers,
    ...simulatorEntries,
    ...proxies,
    ...['objects', 'd1', 'kv', 'r2'].map(disk),
    // Alert webhooks of the tests listen on 127.0.0.1, which the default network refuses.
    '(name = "network", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true)))',
  ];
  const file = path.join(folder, 'workerd.capnp');
  writeFileSync(file, `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${services.join(',\n    ')}
  ],
  sockets = [
    ${sockets.join(',\n    ')}
  ],
  v8Flags = ${flags(v8Flags)},
  extensions = [(modules = [
    ${miniflareModule('miniflare:shared', 'shared/index.worker.js')},
    ${miniflareModule('miniflare:zod', 'shared/zod.worker.js')}
  ])]
);
`);
  return file;
}
