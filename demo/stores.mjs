// Direct access to the stores that `wrangler dev --persist-to <folder>` uses, without the gateway: to fill them, and to see whether anything changed.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Miniflare } from 'miniflare';
import { Backdoor } from '../tests/e2e/harness/backdoor.mjs';
import { environmentSettings, projectFolder, readWranglerToml } from '../tests/e2e/harness/settings.mjs';

/** Opens the stores in real workerd, hands them to `use` and closes them again: two processes must not have the same files open. */
export async function withStores(folder, use) {
  const toml = readWranglerToml();
  const ids = (stores, id) => Object.fromEntries(stores.map((store) => [store.binding, store[id]]));
  const miniflare = new Miniflare({
    modules: true,
    script: readFileSync(path.join(projectFolder, 'tests/e2e/harness/backdoor_worker.js'), 'utf8'),
    compatibilityDate: toml.compatibility_date,
    compatibilityFlags: ['nodejs_compat'],
    host: '127.0.0.1',
    cf: false,
    d1Databases: ids(toml.d1_databases, 'database_id'),
    kvNamespaces: ids(toml.kv_namespaces, 'id'),
    r2Buckets: ids(toml.r2_buckets, 'bucket_name'),
    // Where wrangler keeps them.
    defaultPersistRoot: path.join(folder, 'v3'),
  });
  try {
    const backdoor = new Backdoor(environmentSettings('staging').stores, async (target, { method, json }) => {
      const response = await miniflare.dispatchFetch(`http://stores${target}`, { method, body: JSON.stringify(json) });
      const text = await response.text();
      return { status: response.status, text, json: parsed(text) };
    });
    return await use(backdoor);
  } finally {
    await miniflare.dispose();
  }
}

/** Everything in the targets as lines: schema, rows, keys and objects to the byte, and which upload an object is. Equal lines, equal stores. */
export async function contentsOf(backdoor) {
  const uploads = (await backdoor.clients().files.list()).map(({ key, version, uploaded }) => `FILES upload ${JSON.stringify([key, version, uploaded])}`);
  return [...(await backdoor.contents()), ...uploads];
}

/** SHA-256 over those lines. */
export function digestOf(lines) {
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
