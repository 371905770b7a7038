// "With your tools" of the README, as it stands: whoever has taken the tour and pastes these blocks gets what they promise, and changes nothing.
//
// A block `sh` is run by the shell of the tour. One with a file name is saved under it, and run too when it is a program. A comment "prints …" in a block is what it prints.

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { projectFolder } from '../e2e/harness/settings.mjs';
import { blocksOf, runToEnd, scriptOf, stepsOf } from '../e2e/newcomer.mjs';
import { folderWith, quietEnvironment, startStage } from './support.mjs';
import { installPackage } from './typescript/package.mjs';
import { homeFor } from './wrangler.mjs';

const budget = 120_000;
const programs = { js: 'node', ts: 'node', python: 'python' };

describe('With your tools, in the README', () => {
  const tour = blocksOf('A tour in five minutes').map(({ text }) => text);
  const blocks = blocksOf('With your tools');
  let stage;
  let home;
  let client;
  let contents;
  let shell;

  before(async () => {
    stage = await startStage();
    home = folderWith({ '.dev.vars': Object.entries(stage.keys).map(([role, key]) => `DEV_${role.toUpperCase()}_KEY=${key}\n`).join('') });
    client = installPackage();
    mkdirSync(home.at('node_modules'));
    for (const name of readdirSync(path.join(projectFolder, 'node_modules'))) symlinkSync(path.join(projectFolder, 'node_modules', name), home.at(`node_modules/${name}`));
    symlinkSync(path.join(client.folder, 'node_modules/dryrun-gateway'), home.at('node_modules/dryrun-gateway'));
    for (const { file, text } of blocks) if (file) writeFileSync(home.at(file), text);
    const environment = {
      ...quietEnvironment(), ...homeFor(home.folder), PORT: new URL(stage.url).port,
      PATH: [path.join(projectFolder, 'node_modules/.bin'), path.join(projectFolder, '.tools/python/bin'), process.env.PATH].join(path.delimiter),
    };
    const inShell = (texts) => runToEnd('bash', ['-c', scriptOf(texts)], { cwd: home.folder, env: environment }, budget);
    const taken = await inShell(tour);
    assert.deepEqual(taken.ended, { code: 0, signal: null }, taken.output);
    contents = await stage.contents();
    shell = await inShell([tour[0], ...blocks.map(commandOf), 'echo CLOUDFLARE_API_TOKEN=$CLOUDFLARE_API_TOKEN']);
  });
  after(async () => {
    await stage?.stop();
    home?.remove();
    client?.remove();
  });

  test('runs to its end', () => {
    assert.deepEqual(shell.ended, { code: 0, signal: null }, shell.output);
  });

  for (const [number, { language, file, text }] of blocks.entries()) {
    const promised = [...text.matchAll(/(?:\/\/|#) prints (.*)$/gm)].map(([, words]) => words);
    if (language in programs) assert.ok(promised.length > 0, `the block ${file} says what it prints`);
    if (promised.length > 0) {
      test(`${file ?? `shell block ${number + 1}`} prints what it says`, () => {
        for (const words of promised) assert.ok(stepsOf(shell.output)[number + 1].includes(words), `${words} in ${shell.output}`);
      });
    }
  }

  test('.mcp.json leads to the tools of the run', async () => {
    const variables = { API: stage.url, CLOUDFLARE_API_TOKEN: /CLOUDFLARE_API_TOKEN=(\S+)/.exec(stepsOf(shell.output).at(-1))?.[1] };
    const text = blocks.find(({ file }) => file === '.mcp.json').text.replace(/\$\{(\w+)\}/g, (_, name) => variables[name]);
    const { url, headers } = JSON.parse(text).mcpServers.dryrun;
    const client = new Client({ name: 'reader', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
    assert.equal((await client.listTools()).tools.length, 12);
    await client.close();
  });

  test('says that it was a dry run, and reports what every tool did', () => {
    const steps = stepsOf(shell.output);
    assert.match(steps[2], /"dry_run": true/);
    for (const words of ['# Dry run `tools`', 'inserted `plans/3`', '`plan`: `free` → `pro`', 'inserted `planned.sql`', 'inserted `plans/1`', 'inserted `plans/2`', 'cy@example.com']) {
      assert.ok(steps.at(-2).includes(words), `${words} in ${steps.at(-2)}`);
    }
  });

  test('changes nothing', async () => assert.deepEqual(await stage.contents(), contents));
});

function commandOf({ language, file, text }) {
  if (language === 'sh') return text;
  return language in programs ? `${programs[language]} ${file}\n` : ':\n';
}
