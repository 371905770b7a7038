// No test reads a file that belongs to whoever runs the gateway. The Makefile loads this module into every Node process of the
// tests, wrangler among them: a process that opens one of these files at the top of the project ends with an error. The tests'
// own configuration is in this folder.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const own = /^(wrangler\.(toml|jsonc?)|dryrun\.toml|\.dev\.vars(\..*)?|\.env(\..*)?)$/;

function refuse(target) {
  if (typeof target !== 'string' && !(target instanceof URL) && !Buffer.isBuffer(target)) return; // an open file
  const file = path.resolve(target instanceof URL ? fileURLToPath(target) : String(target));
  if (path.dirname(file) !== project || !own.test(path.basename(file)) || !fs.existsSync(file)) return;
  const remedy = 'Use tests/config (see tests/config/guard.mjs).';
  throw new Error(`A test opens ${path.basename(file)}, which belongs to whoever runs the gateway. ${remedy}`);
}

function guard(holder, names) {
  for (const name of names) {
    const original = holder[name];
    holder[name] = Object.assign(function guarded(target, ...rest) {
      refuse(target);
      return original.call(this, target, ...rest);
    }, original); // such as readFile's form for util.promisify
  }
}

guard(fs, ['readFileSync', 'readFile', 'openSync', 'open', 'createReadStream']);
guard(fs.promises, ['readFile', 'open']);
syncBuiltinESMExports();
