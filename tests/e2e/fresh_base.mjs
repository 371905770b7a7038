// A base database that every test makes anew: what one leaves behind must not be what the next one meets.

import { agentOf, openRun, reportOf } from './helpers.mjs';

/** Takes everything out of DB and makes `schema` in it. */
export async function makeBase(gateway, schema) {
  const made = await gateway.db.all(`SELECT type, name FROM sqlite_master WHERE type IN ('view', 'table') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY type DESC, rowid DESC`);
  for (const { type, name } of made) {
    // What belongs to a virtual table goes with it.
    const stands = await gateway.db.all('SELECT 1 FROM sqlite_master WHERE name = ? AND type = ?', [name, type]);
    const owner = made.find((other) => other.name !== name && name.startsWith(`${other.name}_`));
    if (stands.length > 0 && !owner) await gateway.db.exec(`DROP ${type} "${name.replaceAll('"', '""')}"`);
  }
  await gateway.db.exec(schema);
}

/** A run with its agent; `rows` answers the rows of one statement, `changes` the report's changed rows and keys, each with its subject. */
export async function runOf(gateway, terms) {
  const run = await openRun(gateway, terms);
  const agent = agentOf(gateway, run.token);
  const report = () => reportOf(gateway, run.id);
  return {
    ...run,
    ...agent,
    report,
    rows: async (sql, params) => rowsOf(await agent.sql(sql, params)),
    changes: async () => (await report()).changes.flatMap(({ subject, items }) => items.map((item) => ({ subject, ...item }))),
  };
}

/** The rows of the answer's first statement; fails with the answer when there are none. */
export function rowsOf(answer) {
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text.slice(0, 500)}`);
  return answer.json.result[0].results;
}
