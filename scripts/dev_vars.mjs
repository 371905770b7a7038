// Prints a .dev.vars file with fresh keys for a staging gateway on this machine. The Worker only uses their hashes, in KEYS.

import { createHash, randomBytes } from 'node:crypto';

const roles = ['agent', 'approver', 'operator'];
const keys = roles.map((role) => ({ role, key: `drk_staging_${randomBytes(32).toString('base64url')}` }));
const hashes = keys.map(({ role, key }) => ({
  name: `dev-${role}`,
  role,
  sha256: createHash('sha256').update(key).digest('hex'),
}));

for (const { role, key } of keys) console.log(`DEV_${role.toUpperCase()}_KEY=${key}`);
console.log(`KEYS='${JSON.stringify(hashes)}'`);
console.log(`TOKEN_SECRET=${randomBytes(32).toString('hex')}`);
