// Every answer that the OpenAPI document describes can be had: each status and each code of each operation, in real workerd.
// Whatever a recipe is answered on its way must be described, too: status, headers, media type and body.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readFileSync } from 'node:fs';
import { Document } from './openapi/document.mjs';
import { isInARun, plain, recipes, successes } from './openapi/recipes.mjs';
import { makeWorld } from './openapi/world.mjs';

// The tests are named after the committed document; the gateway must serve that one.
const committed = JSON.parse(readFileSync(new URL('../../src/http/openapi.json', import.meta.url), 'utf8'));
const { operations } = new Document(committed);
let world;

before(async () => {
  world = await makeWorld();
});
after(() => world.stop());

test('the gateway serves the committed document to anybody', async () => {
  const { status, json, headers } = await world.good.api('/openapi.json');
  assert.deepEqual([status, headers.get('content-type')], [200, 'application/json']);
  assert.deepEqual(json, committed);
});

test('every recipe is of use', () => {
  const described = new Set(operations.flatMap(({ answers }) => answers.flatMap(({ codes }) => codes)));
  assert.deepEqual(Object.keys(recipes).filter((code) => !described.has(code)), []);
});

/** A run of its own sees the stores as they are. */
const inOrder = async (operation) => world.send(operation, await plain(operation, world, isInARun(operation) ? await world.dry() : undefined));

for (const operation of operations) {
  for (const { status, codes, content } of operation.answers) {
    const { 'application/json': form, ...others } = content ?? {};
    const isNoProblem = codes.length === 0 || form?.schema.anyOf !== undefined || Object.keys(others).length > 0;
    if (isNoProblem) {
      test(`${operation.id} answers ${status}`, async () => {
        await world.seed();
        const recipe = successes[`${operation.id} ${status}`] ?? inOrder;
        // Asked twice where the second time is the one that counts.
        const answers = [await recipe(operation, world), ...(`${operation.id} ${status}` === 'openRun 200' ? [await recipe(operation, world)] : [])];
        assert.equal(answers.at(-1).status, status, answers.at(-1).text);
      });
    }
    for (const code of codes) {
      test(`${operation.id} answers ${status} ${code}`, async () => {
        assert.ok(code in recipes, `there is no recipe for ${code}`);
        const answer = await recipes[code](operation, world);
        assert.equal(answer.status, status, answer.text);
        assert.equal(answer.headers.get('problem'), code);
        if (answer.text !== '') assert.equal(answer.json.code, code);
      });
    }
  }
}
