// Rehearses the pending migrations of the databases that agents work on, each with production's rows, and puts each onto the page.
//
//   TARGET_MIGRATIONS='MAIN_DB=db/main AUDIT_DB=db/audit' node scripts/delivery/rehearse.mjs DRYRUN
//
// DRYRUN is the command. Where the gateway has one D1 database, its folder alone is enough. All are rehearsed, also after one
// that fails; it ends with 0 when all pass.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import { fail, isMain, summarise } from './lib.mjs';
import { section } from './summary.mjs';

/** Which folder is for which database: [{ binding, folder }]. `bindings` are the D1 databases in STORES. */
export function targets(text, bindings) {
  const words = text.split(/[\s,]+/).filter(Boolean);
  const known = bindings.length > 0 ? bindings.join(', ') : 'none';
  const pairs = words.map((word) => {
    const [, binding, folder] = /^(?:(\w+)=)?(.+)$/.exec(word);
    if (binding === undefined && (words.length > 1 || bindings.length !== 1)) {
      throw new Error(`TARGET_MIGRATIONS does not say which database ${folder} is for; wrangler.toml has ${known}`);
    }
    return { binding: binding ?? bindings[0], folder };
  });
  const unknown = pairs.find(({ binding }) => !bindings.includes(binding));
  if (unknown) throw new Error(`TARGET_MIGRATIONS names ${unknown.binding}; the D1 databases in STORES of production are: ${known}`);
  const twice = pairs.find(({ binding }, at) => pairs.findIndex((one) => one.binding === binding) !== at);
  if (twice) throw new Error(`TARGET_MIGRATIONS names ${twice.binding} twice`);
  return pairs;
}

if (isMain(import.meta.url)) {
  const [dryrun, ...more] = process.argv.slice(2);
  if (!dryrun || more.length > 0) fail('the arguments are not understood', 'usage: TARGET_MIGRATIONS=… rehearse.mjs DRYRUN');
  const stores = parse(readFileSync('wrangler.toml', 'utf8')).env.production.vars.STORES;
  const bindings = Object.keys(stores).filter((binding) => stores[binding].kind === 'd1');
  let pairs;
  try {
    pairs = targets(process.env.TARGET_MIGRATIONS ?? '', bindings);
  } catch (error) {
    fail(error.message, 'Write it as BINDING=folder, with blanks between several: see GitHub in docs/operations.md. Nothing was deployed.');
  }
  const codes = pairs.map(({ binding, folder }) => {
    // After the dashes nothing is an option, whatever the folder is called.
    const ran = spawnSync(dryrun, ['rehearse', '--database', binding, '--', folder], { encoding: 'utf8', maxBuffer: 1 << 28 });
    if (ran.error) fail(`${dryrun} cannot be run: ${ran.error.message}`, 'Nothing was deployed.');
    process.stdout.write(ran.stdout);
    process.stderr.write(ran.stderr);
    const code = ran.status ?? 128;
    summarise(section({ title: `Rehearsal of ${binding}` }, { code, said: `${ran.stdout}\n${ran.stderr}` }));
    return code;
  });
  const left = bindings.filter((binding) => !pairs.some((pair) => pair.binding === binding));
  if (left.length > 0) summarise(`Not rehearsed, because TARGET_MIGRATIONS names no folder for it: ${left.join(', ')}`);
  process.exitCode = codes.find((code) => code !== 0) ?? 0;
}
