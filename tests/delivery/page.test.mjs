// What a person reads before deciding and afterwards: sections of the page, profiles, the way back.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { parse } from 'smol-toml';
import { fenced, output } from '../../scripts/delivery/lib.mjs';
import { profiles } from '../../scripts/delivery/profiles.mjs';
import { section } from '../../scripts/delivery/summary.mjs';
import { disagreement, howTo, running } from '../../scripts/delivery/versions.mjs';
import { environment, newFolder, script } from './helpers.mjs';

const commit = 'b'.repeat(40);

describe('a section of the page', () => {
  const node = (code) => ['--', process.execPath, '-e', code];

  test('shows what a command said, and ends as it does', async () => {
    const good = await script('summary.mjs', ['Rehearsal', ...node('console.log("3 migrations fit")')]);
    assert.deepEqual([good.code, good.page], [0, '## Rehearsal: ok\n\n```text\n3 migrations fit\n```\n\n']);
    const bad = await script('summary.mjs', ['Rehearsal', ...node('console.error("NOT NULL"); process.exit(1)')]);
    assert.equal(bad.code, 1);
    assert.match(bad.page, /## Rehearsal: failed \(exit code 1\)[\s\S]*NOT NULL/);
  });

  test('what was only found goes on when it is only to be shown; a failure does not', async () => {
    const show = (code) => script('summary.mjs', ['Drift', '--only-show', ...node(`console.log("differs"); process.exit(${code})`)]);
    assert.deepEqual([(await show(1)).code, (await show(0)).code], [0, 0]);
    assert.match((await show(1)).page, /## Drift: look at this/);
    for (const code of [2, 3, 4, 5, 128]) assert.equal((await show(code)).code, code);
  });

  test('a command that is cut off, or is not there, is a failure', async () => {
    assert.notEqual((await script('summary.mjs', ['X', '--only-show', ...node('process.kill(process.pid, "SIGKILL")')])).code, 0);
    assert.equal((await script('summary.mjs', ['X', '--only-show', '--', '/nowhere/at/all'])).code, 1);
  });

  test('what others wrote cannot leave its block', () => {
    const said = 'a table called ```\n</details>\n````';
    const { length } = /^`+/.exec(fenced(said))[0];
    assert.ok(length > 4);
    assert.ok(fenced(said).endsWith(`\n${'`'.repeat(length)}`));
  });

  test('colours of a terminal are taken out, and what is too long is cut with a word', () => {
    const text = section({ title: 'X' }, { code: 0, said: `\u001b[31mred\u001b[0m${'x'.repeat(100_000)}` });
    assert.ok(text.includes('\nred') && !text.includes('\u001b'));
    assert.match(text, /… 40003 more characters are in the log/);
  });

  test('Markdown is left as it is when the command writes it', async () => {
    const { page } = await script('summary.mjs', ['T', '--markdown', ...node('console.log("| a |"); console.error("noise")')]);
    assert.equal(page, '## T: ok\n\n| a |\n\n');
  });

  test('an output of two lines would be two outputs, so it is none', () => assert.throws(() => output({ commit: 'a\ndeploy=true' }), /more than one line/));
});

describe('profiles', () => {
  test('hold addresses and names of variables, and no key', () => {
    const text = profiles({ STAGING_URL: 'https://s.example.com/', PRODUCTION_URL: 'https://p.example.com', STAGING_KEY: 'drk_staging_x' });
    assert.ok(!text.includes('drk_'));
    assert.deepEqual(JSON.parse(JSON.stringify(parse(text))), {
      staging: { url: 'https://s.example.com', key: { variable: 'STAGING_KEY' } }, production: { url: 'https://p.example.com', key: { variable: 'PRODUCTION_KEY' } },
    });
  });

  test('one environment alone is possible, none is a failure', async () => {
    assert.deepEqual(Object.keys(parse(profiles({ STAGING_URL: 'https://s.example.com' }))), ['staging']);
    const { code, stderr } = await script('profiles.mjs', []);
    assert.equal(code, 1);
    assert.match(stderr, /neither STAGING_URL nor PRODUCTION_URL/);
  });

  test('nothing but an https address is one', () => {
    for (const odd of ['http://s.example.com', 's.example.com', 'https://', 'file:///etc/passwd', 'https://a"\n[x]', 'javascript:1']) {
      const made = (() => {
        try {
          return parse(profiles({ STAGING_URL: odd }));
        } catch (error) {
          return error.message;
        }
      })();
      assert.equal(made, 'STAGING_URL is not an https address', odd);
    }
  });
});

describe('the way back', () => {
  const status = { id: 'd1', created_on: '2026-01-02T03:04:05Z', versions: [{ version_id: 'v-new', percentage: 10 }, { version_id: 'v-main', percentage: 90 }] };
  const versions = [{ id: 'v-main', annotations: { 'workers/message': `commit ${commit}` } }, { id: 'v-new', annotations: {} }];
  const before = running(status, versions);

  test('names the version that most requests reached, with its command for the same environment', () => {
    assert.deepEqual(before, { version: 'v-main', message: `commit ${commit}`, since: '2026-01-02T03:04:05Z' });
    const text = howTo(before, ['--env', 'production']);
    assert.match(text, /^wrangler rollback v-main --env production --message "why"$/m);
    assert.match(text, /Migrations are forward only/);
    assert.doesNotMatch(howTo(before, []), /--env/);
  });

  test('is none before the first deployment', () => {
    assert.equal(running({ versions: [] }, []), null);
    assert.match(howTo(null, []), /Nothing ran before/);
  });

  test('a person is told when what runs is not what the records say', () => {
    assert.equal(disagreement(before, commit), '');
    assert.match(disagreement(before, 'c'.repeat(40)), /by hand, or a deployment failed/);
    assert.match(disagreement({ version: 'v', message: '' }, commit), /without a message/);
    assert.match(disagreement(before, ''), /By the records of deployments nothing runs/);
    assert.match(disagreement(null, commit), /by Cloudflare nothing/);
  });

  describe('as wrangler says it', () => {
    const folder = newFolder('wrangler');
    after(() => rmSync(folder, { recursive: true, force: true }));
    // What `wrangler` prints is Cloudflare's JSON; here a script in its place prints it, or fails as it does.
    const answering = (name, lines) => {
      const bin = path.join(folder, name);
      mkdirSync(bin);
      writeFileSync(path.join(bin, 'wrangler'), `#!/bin/sh\necho "$@" >> "${bin}/asked"\n${lines}\n`);
      chmodSync(path.join(bin, 'wrangler'), 0o755);
      return { env: { PATH: `${bin}:${environment.PATH}` } };
    };
    const remember = (name, lines) => script('versions.mjs', ['remember', '--env', 'production'], answering(name, lines));

    test('it is remembered and told', async () => {
      const { code, stdout } = await remember('good', `case "$1" in deployments) echo '${JSON.stringify(status)}';; versions) echo '${JSON.stringify(versions)}';; esac`);
      assert.equal(code, 0);
      assert.deepEqual(JSON.parse(stdout), { before, words: ['--env', 'production'] });
      const file = path.join(folder, 'before.json');
      writeFileSync(file, stdout);
      assert.match((await script('versions.mjs', ['tell', file])).page, /## How to roll back[\s\S]*wrangler rollback v-main --env production/);
      assert.equal((await script('versions.mjs', ['agrees', file, commit])).page, '');
      assert.match((await script('versions.mjs', ['agrees', file, ''])).page, /## Not what the records say/);
    });

    test('a Worker that is not there yet is nothing, and agrees with no record', async () => {
      const { stdout } = await remember('none', `echo 'This Worker does not exist on your account. [code: 10007]' >&2; exit 1`);
      assert.deepEqual(JSON.parse(stdout).before, null);
      const file = path.join(folder, 'none.json');
      writeFileSync(file, stdout);
      assert.equal((await script('versions.mjs', ['agrees', file, ''])).page, '');
    });

    test('a failure is not taken for nothing', async () => {
      const { code, stdout } = await remember('bad', `echo 'Authentication error [code: 10000]' >&2; exit 1`);
      assert.deepEqual([code, stdout], [1, '']);
    });
  });
});
