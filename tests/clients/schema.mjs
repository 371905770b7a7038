// What the tests of migration tools ask of a database through a run.

import assert from 'node:assert/strict';
import { account } from './support.mjs';

/** A function that asks a database through a run and answers the rows of its statement. */
export const queryIn = (stage, token, database) => async (sql, params) => {
  const response = await fetch(`${stage.base}/accounts/${account}/d1/database/${database}/raw`, {
    method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify({ sql, ...(params ? { params } : {}) }),
  });
  const { success, result, detail, remedy } = await response.json();
  assert.ok(success, `${sql}: ${detail} ${remedy}`);
  return result.at(-1).results.rows;
};

/** The columns of a table: name, type, whether it may not be NULL, default, place in the key. */
export const columnsOf = async (query, table) => (await query(`PRAGMA table_info(${table})`)).map(([, ...column]) => column.map(String).join(' '));

/** Every table, index, view and trigger with its definition. */
export const definitionsOf = (query) => query("SELECT type, name, sql FROM sqlite_master WHERE name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*' ORDER BY type, name");
