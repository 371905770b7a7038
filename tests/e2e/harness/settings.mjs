// The configuration of the tests and the demo: tests/config/wrangler.toml. The one at the top is deployed, belongs to whoever runs the gateway, and is not read here.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { parse } from 'smol-toml';

export const projectFolder = fileURLToPath(new URL('../../..', import.meta.url));

/** The tests' own configuration, for programs that are run with --config. */
export const configurationFile = path.join(projectFolder, 'tests/config/wrangler.toml');

// Bindings that belong to the gateway itself. All other stores are targets, and only targets count in a digest.
const controlBindings = new Set(['CONTROL', 'FLAGS']);

export function readWranglerToml() {
  return parse(readFileSync(configurationFile, 'utf8'));
}

export function environmentSettings(environment) {
  const toml = readWranglerToml();
  const section = environment === 'staging' ? toml : toml.env?.[environment];
  if (!section) throw new Error(`tests/config/wrangler.toml has no environment ${environment}`);
  const store = (kind) => ({ binding }) => ({ binding, kind, target: !controlBindings.has(binding) });
  return {
    name: section.name,
    compatibilityDate: toml.compatibility_date,
    compatibilityFlags: toml.compatibility_flags ?? [],
    vars: section.vars ?? {},
    objects: section.durable_objects.bindings.map(({ name, class_name }) => ({ binding: name, className: class_name })),
    stores: [
      ...(section.d1_databases ?? []).map(store('d1')),
      ...(section.kv_namespaces ?? []).map(store('kv')),
      ...(section.r2_buckets ?? []).map(store('r2')),
    ],
  };
}
