// Makes a key for the gateway. Prints the key, which is shown this once, and its entry for the secret KEYS, which holds only its hash.
//
//   node scripts/delivery/key.mjs ENVIRONMENT NAME ROLE

import { createHash, randomBytes } from 'node:crypto';
import { fail, isMain } from './lib.mjs';

const roles = ['agent', 'approver', 'operator'];

export function newKey(environment, name, role) {
  const key = `drk_${environment}_${randomBytes(32).toString('base64url')}`;
  return { key, entry: { name, role, sha256: createHash('sha256').update(key).digest('hex') } };
}

if (isMain(import.meta.url)) {
  const [environment, name, role] = process.argv.slice(2);
  if (!['staging', 'production'].includes(environment) || !/^[a-z0-9][a-z0-9-]{0,62}$/.test(name ?? '') || !roles.includes(role)) {
    fail('the arguments are not understood', `usage: key.mjs staging|production NAME ${roles.join('|')}`);
  }
  const { key, entry } = newKey(environment, name, role);
  console.log(`The key, for a secrets manager; it is not shown again:\n  ${key}\n\nIts entry in the JSON list of the secret KEYS:\n  ${JSON.stringify(entry)}`);
}
