// A gateway for tests that are not written in JavaScript. The first argument is JSON: { vars } over those of tests/config/wrangler.toml, { build } another
// folder of the compiled Worker. One line of JSON says where everything is; when stdin ends, so does the gateway.

import { startGateway } from './gateway.mjs';

const { vars = {}, build } = JSON.parse(process.argv[2] ?? '{}');
const gateway = await startGateway({ vars, proxied: false, ...(build ? { build } : {}) });
const { ACCOUNT_ID: account = 'local' } = vars;
const line = { url: gateway.url, backdoor: `http://127.0.0.1:${gateway.portOf('backdoor')}`, account, ...gateway.keys };
process.stdout.write(`${JSON.stringify(line)}\n`);

process.stdin.on('end', async () => {
  await gateway.stop();
  process.exit();
});
process.stdin.resume();
