// What wrangler.toml says about one environment, so that the tests run what would be deployed.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { parse } from 'smol-toml';

export const projectFolder = fileURLToPath(new URL('../../..', import.meta.url));

// Bindings that belong to the gateway itself. All other stores are targets, and only targets count in a digest.
const controlBindings = new Set(['CONTROL', 'FLAGS']);

export function readWranglerToml() {
  return parse(readFileSync(path.join(projectFolder, 'wrangler.toml'), 'utf8'));
}

export function environmentSettings(environment) {
  const toml = readWranglerToml();
  const section = environment === 'staging' ? toml : toml.env?.[environment];
  if (!section) throw new Error(`wrangler.toml has no environment ${environment}`);
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
