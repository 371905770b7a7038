// Tests depend on nothing of whoever runs the gateway: a process that reads one of those files ends, and a project with other ones passes.
// tests/tidy.rs looks at the rest: no line of a test names such a file, and every target of the Makefile that runs tests has the guard.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { freePort } from '../../demo/gateway.mjs';
import { until } from '../e2e/helpers.mjs';
import { start } from '../e2e/newcomer.mjs';
import { adopters, inProject, projectCopy, run } from './helpers.mjs';

describe('the guard', { timeout: 60_000 }, () => {
  // The project's own files may not be there, so the copy has all of them.
  const copy = projectCopy({ 'wrangler.toml': adopters, 'dryrun.toml': '', '.dev.vars': 'A=1', '.env.local': 'A=1', 'wrangler.jsonc': '{}' });
  after(() => copy.remove());
  const env = { ...copy.env, NODE_OPTIONS: `--import="${copy.at('tests/config/guard.mjs')}"` };
  const node = (code) => run(process.execPath, ['--input-type=module', '-e', code], { cwd: copy.folder, env });
  const said = /A test opens ([\w.]+), which belongs to whoever runs the gateway/;

  const ways = {
    'wrangler.toml': (file) => `import { readFileSync } from 'node:fs'; readFileSync(${file})`,
    'wrangler.jsonc': (file) => `import { readFileSync } from 'node:fs'; readFileSync(new URL(${JSON.stringify(pathToFileURL(copy.folder).href)} + '/' + ${file}))`,
    'dryrun.toml': (file) => `import { readFile } from 'node:fs/promises'; await readFile(${file})`,
    '.dev.vars': (file) => `import { createReadStream } from 'node:fs'; createReadStream(${file}).resume()`,
    '.env.local': (file) => `import fs from 'node:fs'; fs.readFile('./tests/../' + ${file}, () => {})`,
  };
  for (const [name, way] of Object.entries(ways)) {
    test(`ends a process that opens ${name}`, async () => {
      const { code, stderr } = await node(way(JSON.stringify(name)));
      assert.deepEqual([code, said.exec(stderr)?.[1]], [1, name], stderr);
    });
  }

  test('ends wrangler when it takes the configuration at the top', async () => {
    const { code, said: printed } = await run(inProject('node_modules/.bin/wrangler'), ['d1', 'execute', 'CONTROL', '--local', '--command', 'SELECT 1'], { cwd: copy.folder, env });
    assert.notEqual(code, 0);
    assert.match(printed, said);
  });

  test('lets everything else be read', async () => {
    const { code, stderr } = await node("import { readFileSync } from 'node:fs'; for (const name of ['tests/config/wrangler.toml', 'README.md', 'package.json']) readFileSync(name)");
    assert.equal(code, 0, stderr);
  });
});

describe('a project with files of somebody else', { timeout: 300_000 }, () => {
  const fast = ['tests/e2e/account.test.mjs', 'tests/delivery/config_diff.test.mjs'];
  const theirs = {
    'that set it up': { 'wrangler.toml': adopters, 'dryrun.toml': '[staging]\nurl = "https://gate.test-acme.dev"\nkey = { variable = "ACME_KEY" }\n', '.dev.vars': 'DEV_AGENT_KEY=x' },
    'that nobody can read': { 'wrangler.toml': '= this is no TOML', 'dryrun.toml': '= nor this', '.dev.vars': '', '.env': 'CLOUDFLARE_ENV=production\n' },
  };
  for (const [whose, files] of Object.entries(theirs)) {
    test(`${whose} passes`, async () => {
      const copy = projectCopy(files);
      try {
        // A test's own process is told so by this variable, and would report to this one.
        const { code, said } = await run(process.execPath, ['--test', ...fast], { cwd: copy.folder, env: { ...copy.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: undefined } });
        assert.equal(code, 0, said);
        assert.match(said, /^(# |ℹ )fail 0$/m);
        assert.doesNotMatch(said, /^(# |ℹ )pass 0$/m);
      } finally {
        copy.remove();
      }
    });
  }
});

describe('make dev with a configuration of somebody else', { timeout: 180_000 }, () => {
  const account = /ACCOUNT_ID = "(\w+)"/.exec(adopters)[1];
  // A shell that is set to production, and a route: neither may lead anywhere but to this machine.
  const copy = projectCopy({ 'wrangler.toml': adopters, '.env': 'CLOUDFLARE_ENV=production\nCLOUDFLARE_API_TOKEN=real\n' });
  let gateway;
  let url;
  let keys;
  before(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    // Its own process reads its configuration: that is what it is for.
    gateway = start(copy.at('scripts/dev'), [], { cwd: copy.folder, env: { ...copy.env, PORT: String(port), NODE_OPTIONS: '' } });
    await until(() => {
      assert.equal(gateway.ended, null, gateway.output);
      return fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5_000) }).then((response) => response.ok, () => false);
    }, 'the gateway answers', 120_000).catch((error) => assert.fail(`${error.message}\n${gateway.output}`));
    keys = Object.fromEntries([...readFileSync(copy.at('.dev.vars'), 'utf8').matchAll(/^(DEV_\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
  });
  after(async () => {
    await gateway?.stop();
    copy.remove();
  });
  const ask = async (where, token, json) => {
    const init = json ? { method: 'POST', body: JSON.stringify(json), headers: { 'content-type': 'application/json' } } : {};
    return (await fetch(`${url}${where}`, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } })).json();
  };

  test('is their staging, with their stores and limits', async () => {
    const about = await ask('/v1/environment', keys.DEV_AGENT_KEY);
    assert.deepEqual([about.environment, about.account, about.stores.map(({ binding }) => binding), about.limits.shadow_max_rows], ['staging', account, ['AUDIT_DB', 'MAIN_DB'], 90]);
  });

  test('hands out addresses on this machine, though a route leads to their domain', async () => {
    const { token } = await ask('/v1/runs', keys.DEV_AGENT_KEY, { mode: 'live' });
    const { result } = await ask(`/client/v4/accounts/${account}/d1/database/MAIN_DB/import`, token, { action: 'init', etag: 'd41d8cd98f00b204e9800998ecf8427e' });
    assert.ok(result.upload_url.startsWith(`${url}/`), result.upload_url);
  });
});
