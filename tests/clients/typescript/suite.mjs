// One suite of calls, for whatever has the interfaces of the bindings.

import { describe } from './describe.mjs';
import * as d1 from './d1.mjs';
import * as kv from './kv.mjs';
import * as r2 from './r2.mjs';

export const cases = [...d1.cases, ...kv.cases, ...r2.cases];

/** Puts the data into the real stores that every run of the suite begins with. */
export async function seed({ DB, CACHE, FILES }) {
  await d1.seed(DB);
  await kv.seed(CACHE);
  await r2.seed(FILES);
}

/** Makes every call, in order, and answers { outcomes: { name: outcome }, marks: [whether a result of D1 said that it is a dry run] }. */
export async function play(stores) {
  const outcomes = {};
  const marks = [];
  const memory = {};
  for (const { name, run, inserted } of cases) {
    try {
      outcomes[name] = describe(await run(stores, memory), { inserted, seen: marks });
    } catch (error) {
      outcomes[name] = { thrown: describe(error) };
    }
  }
  return { outcomes, marks };
}
