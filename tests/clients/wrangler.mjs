// Drives the wrangler that the lock file pins, as its users do: in a folder of their own, with an address and a token in the environment.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectFolder, readWranglerToml } from '../e2e/harness/settings.mjs';
import { account, folderWith, runProgram } from './support.mjs';

const program = path.join(projectFolder, 'node_modules/wrangler/bin/wrangler.js');
const toml = readWranglerToml();
export const database = toml.d1_databases.find(({ binding }) => binding === 'DB');
export const namespace = toml.kv_namespaces.find(({ binding }) => binding === 'CACHE');
export const bucket = toml.r2_buckets.find(({ binding }) => binding === 'FILES').bucket_name;

/** The configuration of somebody whose Worker uses the stores behind the gateway. */
export const configuration = `name = "support-desk"
compatibility_date = "2026-07-28"

[[d1_databases]]
binding = "DB"
database_name = "${database.database_name}"
database_id = "${database.database_id}"

[[d1_databases]]
binding = "SECOND"
database_name = "second-database"
database_id = "second-id"

[[d1_databases]]
binding = "GONE"
database_name = "gone"
database_id = "00000000-0000-0000-0000-000000000000"

[[kv_namespaces]]
binding = "CACHE"
id = "${namespace.id}"
`;

/** A home of its own: no login and no cache of whoever runs the tests, and no question to the npm registry whether there is a newer version. */
export function homeFor(folder) {
  const temporary = path.join(folder, '.tmp');
  mkdirSync(path.join(temporary, 'update-check'), { recursive: true });
  writeFileSync(path.join(temporary, 'update-check/wrangler-latest.json'), JSON.stringify({ latest: '0.0.1', lastUpdate: Date.now() }));
  return { HOME: folder, XDG_CONFIG_HOME: path.join(folder, '.config'), TMPDIR: temporary };
}

/** A project folder. `using(token)` answers a function that runs one wrangler command in it. */
export function wranglerProject(base, files = {}, toml = configuration) {
  const project = folderWith({ 'wrangler.toml': toml, ...files });
  const home = homeFor(project.folder);
  const using = (token, { env = {}, base: other = base } = {}) => (...args) => runProgram(process.execPath, [program, ...args], {
    cwd: project.folder,
    env: { ...home, CLOUDFLARE_API_BASE_URL: other, CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_ACCOUNT_ID: account, ...env },
  });
  return { ...project, using };
}

/** The JSON that a command prints, after its banner if it has one. */
export function printedJson({ stdout }) {
  return JSON.parse(stdout.slice(stdout.search(/^[[{]/m)));
}
