// Everything that an agent could try to get past the front, by category: { category, name, sql, params, expected, live, echoes, single, todo }.
//
// `expected` is what a dry run answers, see smuggling/expect.mjs; without it that is whatever a live run answers. `live` is what a live run
// answers where that is something else; null: it is not run live, because it would change what later strings find there. `echoes`: the answer
// holds a reserved name because the agent itself put it together. `single`: it is one SELECT though it does not look like it. They run in this order, in one run: some need what others made.

import * as inside from './smuggling/inside.mjs';
import * as names from './smuggling/names.mjs';
import * as pragmas from './smuggling/pragmas.mjs';
import * as stacked from './smuggling/stacked.mjs';
import * as verbs from './smuggling/verbs.mjs';

export const corpus = Object.entries({ ...stacked, ...verbs, ...names, ...pragmas, ...inside }).flatMap(([category, strings]) =>
  Object.entries(strings).map(([name, [sql, expected, options]]) => ({ category, name, sql, expected, live: expected, ...options })));

/** The tables that the strings speak of. */
export const schema = `
  CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT, n INTEGER CHECK (n < 100));
  INSERT INTO notes VALUES (1, 'Seed', 1), (2, 'second', 2);
  CREATE TABLE tags (note INTEGER REFERENCES notes (id), label TEXT UNIQUE);
  INSERT INTO tags VALUES (1, 'a');
  CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);
  CREATE TABLE pairs (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
  INSERT INTO pairs VALUES ('x', 1);
  CREATE VIEW loud AS SELECT upper(text) AS text FROM notes;
  CREATE INDEX notes_text ON notes (text);
  CREATE TRIGGER notes_log AFTER UPDATE ON notes BEGIN INSERT INTO log (what) VALUES (new.text); END;`;
