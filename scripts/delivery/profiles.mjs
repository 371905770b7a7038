// Prints a dryrun.toml for the `dryrun` command, from the variables STAGING_URL and PRODUCTION_URL; at least one has to be set. Keys are not in it:
// they stay in the variables STAGING_KEY and PRODUCTION_KEY.

import { fail, isMain } from './lib.mjs';

/** The file. A gateway is reached by https, or on this machine. */
export function profiles(variables) {
  const sections = ['staging', 'production'].flatMap((environment) => {
    const text = variables[`${environment.toUpperCase()}_URL`];
    if (!text) return [];
    // URL.parse is younger than the Node of some runners.
    const url = URL.canParse(text) ? new URL(text) : null;
    if (!url || !(url.protocol === 'https:' || (url.protocol === 'http:' && url.hostname === '127.0.0.1'))) throw new Error(`${environment.toUpperCase()}_URL is not an https address`);
    return [`[${environment}]\nurl = ${JSON.stringify(url.href.replace(/\/$/, ''))}\nkey = { variable = "${environment.toUpperCase()}_KEY" }\n`];
  });
  if (sections.length === 0) throw new Error('neither STAGING_URL nor PRODUCTION_URL is set');
  return sections.join('\n');
}

if (isMain(import.meta.url)) {
  try {
    process.stdout.write(profiles(process.env));
  } catch (error) {
    fail(error.message, 'Set them as variables of the GitHub environment: see docs/operations.md.');
  }
}
