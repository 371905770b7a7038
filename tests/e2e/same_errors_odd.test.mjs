// Random bases with odd definitions, dry and live: whatever is asked of them, the gateway never fails, and what it does not refuse is the live
// answer. ODD_SEED and ODD_BASES play others and more.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { runOf } from './fresh_base.mjs';
import { answerOf, contentsOf, wipe } from './same_errors/compared.mjs';
import { dice, makeBase, makeStatement } from './same_errors/odd_schemas.mjs';

const seed = Number(process.env.ODD_SEED ?? 20_261_130);
const bases = Number(process.env.ODD_BASES ?? 24);
const steps = 12;
const refusals = ['shadow_budget_exceeded', 'not_rehearsable', 'sql_not_parsed', 'reserved_name'];

for (const [regime, rows] of Object.entries({ 'tables that come whole': '1000', 'tables that come row by row': '0' })) {
  describe(regime, () => {
    let gateway;
    let logs = '';
    const start = async () => void (gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000', SHADOW_WHOLE_ROWS: rows } }));
    // A table that cascades into one with a broken reference cannot be dropped.
    const renew = async () => {
      logs += gateway.logs();
      await gateway.stop();
      await start();
    };
    before(start);
    after(() => gateway.stop());
    const refused = new Map();
    const counts = { 'carried out': 0, 'an error': 0 };

    for (let number = 0; number < bases; number += 1) {
      test(`base ${seed + number}`, async () => {
        const chance = dice(seed + number);
        await wipe(gateway.db).catch(renew);
        const made = [];
        for (const sql of makeBase(chance)) await gateway.db.exec(sql).then(() => made.push(sql), () => {});
        const shown = () => made.map((sql) => `${sql};`).join('\n');
        const dry = await runOf(gateway);
        const played = [];
        for (let step = 0; step < steps; step += 1) {
          const one = makeStatement(chance);
          const answer = await answerOf(dry, one, { rowids: false });
          assert.ok(!(answer.status >= 500), `${JSON.stringify(one)} ${JSON.stringify(answer)}\n${shown()}\n${played.map(({ one }) => JSON.stringify(one)).join('\n')}`);
          assert.doesNotMatch(answer.detail ?? '', /others changed/, `${JSON.stringify(one)}\n${shown()}`);
          // What was not rehearsed is not played live, and the rest goes on without it.
          if (refusals.includes(answer.code)) refused.set(answer.detail.replace(/\(.*\)/, '(…)'), (refused.get(answer.detail.replace(/\(.*\)/, '(…)')) ?? 0) + 1);
          else {
            counts[Array.isArray(answer) ? 'carried out' : 'an error'] += 1;
            played.push({ one, answer });
          }
        }
        const contents = await contentsOf(dry, []);
        const live = await runOf(gateway, { mode: 'live' });
        for (const [index, { one, answer }] of played.entries()) {
          const expected = await answerOf(live, one, { rowids: false });
          // The local simulator of D1 answers nothing to a commit that fails.
          if (expected.code === 'store_unavailable') return;
          assert.deepEqual(answer, expected, `${JSON.stringify(one)} after ${played.slice(0, index).map(({ one }) => JSON.stringify(one)).join('; ')}\n${shown()}`);
        }
        const lived = await contentsOf(live, []);
        const unread = Object.keys(contents).filter((name) => refusals.includes(contents[name].code));
        for (const name of unread) (delete contents[name], delete lived[name]);
        assert.deepEqual(contents, lived, `in the end of ${played.map(({ one }) => JSON.stringify(one)).join('; ')}\n${shown()}`);
      });
    }

    test('the refusals are few, and none is a failure of the gateway', () => {
      const all = [...refused].sort(([, one], [, other]) => other - one);
      const count = all.reduce((sum, [, many]) => sum + many, 0);
      console.log(`${count} of ${bases * steps} refused in ${regime}, ${JSON.stringify(counts)}\n${all.map(([reason, many]) => `  ${many}  ${reason}`).join('\n')}`);
      assert.ok(counts['carried out'] > bases * steps / 3, JSON.stringify(counts));
      assert.ok(count <= bases * steps / 100, `${count} were refused`);
      assert.doesNotMatch(logs + gateway.logs(), /panicked|RuntimeError|unreachable|"event":"fault"/);
    });
  });
}
