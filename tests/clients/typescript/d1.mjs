// D1: what a Worker can ask of its binding.

import { one } from './case.mjs';

const schema = `CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, plan TEXT DEFAULT 'free' CHECK (plan IN ('free', 'pro')), score REAL);
CREATE TABLE tickets (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, title TEXT);
CREATE TABLE loose (a, b, c);
CREATE TABLE files (name TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID;
INSERT INTO customers (email, plan, score) VALUES ('ada@example.org', 'pro', 0.1), ('bob@example.org', 'free', NULL), ('cleo@example.org', 'free', -2.5e300);
INSERT INTO tickets VALUES (1, 1, 'first'), (2, 1, 'sécond 日本 🎫'), (3, 2, NULL);
INSERT INTO loose VALUES (9007199254740993, -9223372036854775808, 9223372036854775807), (x'00ff', x'', 'text'), (1e300, -0.0, 9e999), ('nul' || char(0) || 'inside', '', NULL);`;

export const seed = async (DB) => {
  await DB.exec(schema);
};

const sql = (text, ...params) => ({ DB }) => (params.length > 0 ? DB.prepare(text).bind(...params) : DB.prepare(text));
const all = (name, text, ...params) => one(`D1 all ${name}`, async (stores) => sql(text, ...params)(stores).all());
const run = (name, text, ...params) => one(`D1 run ${name}`, async (stores) => sql(text, ...params)(stores).run());
const inserting = (name, text, ...params) => one(`D1 insert ${name}`, async (stores) => sql(text, ...params)(stores).run(), { inserted: true });
const bound = (name, ...values) => one(`D1 bind ${name}`, async ({ DB }) => DB.prepare(`SELECT ${values.map((_, index) => `typeof(?${index + 1}) AS t${index}, hex(?${index + 1}) AS h${index}`).join(', ')}`).bind(...values).first());
const looseRows = 'SELECT typeof(a) AS ta, hex(a) AS ha, typeof(b) AS tb, hex(b) AS hb, typeof(c) AS tc, hex(c) AS hc FROM loose ORDER BY rowid';

export const cases = [
  // Reading.
  all('rows', 'SELECT * FROM customers ORDER BY id'),
  all('nothing', 'SELECT * FROM customers WHERE id = ?', 999),
  all('joined rows', 'SELECT c.email, t.title FROM tickets t JOIN customers c ON c.id = t.customer ORDER BY t.id'),
  all('a column twice', 'SELECT 1 AS a, 2 AS a, 3 AS b'),
  all('integers beyond 2^53', 'SELECT a, b, c FROM loose WHERE typeof(a) = ?', 'integer'),
  all('blobs', "SELECT a, b, c FROM loose WHERE typeof(a) = 'blob'"),
  all('reals', "SELECT a, b, c FROM loose WHERE typeof(a) = 'real'"),
  all('NUL in text', "SELECT a, b, c, length(a) AS n FROM loose WHERE typeof(a) = 'text'"),
  all('values without a table', "SELECT 0.1 + 0.2 AS sum, -0.0 AS minus, NULL AS n, '' AS e, x'' AS b, zeroblob(2) AS z, 1 = 1 AS t, 9007199254740993 AS big"),
  all('a number-like column order', 'SELECT 1 AS "b", 2 AS "10", 3 AS "2"'),
  all('a trailing semicolon and a comment!', 'SELECT 1 AS a; -- the end'),
  all('an EXPLAIN', 'EXPLAIN QUERY PLAN SELECT * FROM customers WHERE email = ?', 'x'),
  all('a column named __proto__', 'SELECT 1 AS "__proto__", 2 AS a'),
  run('a SELECT', 'SELECT id, title FROM tickets ORDER BY id'),
  one('D1 first', async ({ DB }) => DB.prepare('SELECT * FROM customers ORDER BY id').first()),
  one('D1 first of nothing', async ({ DB }) => DB.prepare('SELECT * FROM customers WHERE 0').first()),
  one('D1 first column', async ({ DB }) => DB.prepare('SELECT email, plan FROM customers ORDER BY id').first('plan')),
  one('D1 first column that is NULL', async ({ DB }) => DB.prepare('SELECT score FROM customers WHERE id = 2').first('score')),
  one('D1 first column that is not there!', async ({ DB }) => DB.prepare('SELECT email FROM customers').first('nothing')),
  one('D1 first column of nothing', async ({ DB }) => DB.prepare('SELECT email FROM customers WHERE 0').first('email')),
  one('D1 raw', async ({ DB }) => DB.prepare('SELECT id, email, score FROM customers ORDER BY id').raw()),
  one('D1 raw with column names', async ({ DB }) => DB.prepare('SELECT 1 AS a, 2 AS a').raw({ columnNames: true })),
  one('D1 raw of nothing with column names', async ({ DB }) => DB.prepare('SELECT id, email FROM customers WHERE 0').raw({ columnNames: true })),
  one('D1 raw of nothing', async ({ DB }) => DB.prepare('SELECT id FROM customers WHERE 0').raw()),
  one('D1 raw blobs and big integers', async ({ DB }) => DB.prepare('SELECT a, b, c FROM loose ORDER BY rowid').raw()),
  one('D1 a statement twice', async ({ DB }) => {
    const statement = DB.prepare('SELECT count(*) AS n FROM tickets');
    return [await statement.first('n'), await statement.first('n')];
  }),
  one('D1 bind makes another statement', async ({ DB }) => {
    const statement = DB.prepare('SELECT ? AS v');
    const [one, two] = [statement.bind(1), statement.bind(2)];
    return [await one.first('v'), await two.first('v'), await one.first('v')];
  }),
  one('D1 statements side by side', async ({ DB }) => Promise.all([1, 2, 3].map((id) => DB.prepare('SELECT email FROM customers WHERE id = ?').bind(id).first('email')))),

  // Parameters.
  bound('numbers', 0, 1, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 53), 1e21, 5e-324),
  bound('what is no number in JSON', NaN, Infinity, -Infinity, -0),
  bound('text', '', 'täxt', '日本 🎫', 'a\u0000b', "it's \"quoted\" -- ; /*", 'line\r\nline\u2028'),
  bound('booleans and null', true, false, null),
  bound('buffers', new Uint8Array([0, 1, 255]).buffer, new Uint8Array(), new ArrayBuffer(0)),
  bound('views', new Uint8Array([1, 2, 3, 4]).subarray(1, 3), new Uint8ClampedArray([7]), new Uint16Array([1, 255])),
  bound('arrays of bytes', [0, 255], []),
  one('D1 bind undefined!', async ({ DB }) => DB.prepare('SELECT ?').bind(undefined)),
  one('D1 bind a bigint!', async ({ DB }) => DB.prepare('SELECT ?').bind(10n)),
  one('D1 bind an object!', async ({ DB }) => DB.prepare('SELECT ?').bind({ a: 1 })),
  one('D1 bind a Date!', async ({ DB }) => DB.prepare('SELECT ?').bind(new Date(0))),
  one('D1 bind a list of text!', async ({ DB }) => DB.prepare('SELECT ?').bind(['a'])),
  one('D1 bind a function!', async ({ DB }) => DB.prepare('SELECT ?').bind(String)),
  one('D1 bind a list of numbers beyond bytes!', async ({ DB }) => DB.prepare('SELECT ?').bind([256])),
  one('D1 bind a DataView', async ({ DB }) => DB.prepare('SELECT hex(?) AS h').bind(new DataView(new Uint8Array([1, 2]).buffer)).first('h')),
  one('D1 bind a view of wide numbers', async ({ DB }) => DB.prepare('SELECT hex(?) AS h').bind(new Uint16Array([300])).first('h')),
  one('D1 bind half a surrogate pair', async ({ DB }) => DB.prepare('SELECT hex(?) AS h').bind('\ud800').first('h')),
  one('D1 bind too few!', async ({ DB }) => DB.prepare('SELECT ?, ?').bind(1).all()),
  one('D1 bind too many!', async ({ DB }) => DB.prepare('SELECT ?').bind(1, 2).all()),
  one('D1 bind numbered', async ({ DB }) => DB.prepare('SELECT ?2 AS a, ?1 AS b, ?2 AS c').bind('x', 'y').first()),
  one('D1 bind a large text', async ({ DB }) => DB.prepare('SELECT length(?1) AS n, ?1 AS v').bind('ä'.repeat(400_000)).first()),

  // Errors.
  all('of a table that is not there!', 'SELECT * FROM nowhere'),
  all('of a column that is not there!', 'SELECT missing FROM customers'),
  all('with a syntax error!', 'SELEC 1'),
  all('of an empty text!', ''),
  all('of a comment!', '-- nothing'),
  run('against UNIQUE!', "INSERT INTO customers (email) VALUES ('ada@example.org')"),
  run('against NOT NULL!', 'INSERT INTO customers (email) VALUES (NULL)'),
  run('against CHECK!', "INSERT INTO customers (email, plan) VALUES ('x@example.org', 'gold')"),
  run('against a foreign key!', "INSERT INTO tickets VALUES (9, 999, 'x')"),
  run('of a function that is not there!', 'SELECT missing(1)'),
  run('that attaches!', "ATTACH 'x' AS y"),
  run('that begins a transaction!', 'BEGIN'),
  one('D1 an error is an Error', async ({ DB }) => {
    const error = await DB.prepare('SELECT * FROM nowhere').all().catch((caught) => caught);
    return [error instanceof Error, Object.getPrototypeOf(error) === Error.prototype, error.message.startsWith('D1_ERROR: '), error.cause instanceof Error, Object.keys(error)];
  }),
  one('D1 two statements in one text', async ({ DB }) => (await DB.prepare('SELECT 1 AS a; SELECT 2 AS b').all()).results),
  one('D1 NUL in the statement!', async ({ DB }) => DB.prepare('\u0000SELECT 1').all()),

  // Writing.
  inserting('a row', "INSERT INTO customers (email) VALUES ('dora@example.org')"),
  inserting('two rows', 'INSERT INTO customers (email, plan) VALUES (?, ?), (?, ?)', 'eve@example.org', 'pro', 'finn@example.org', 'free'),
  inserting('and answer it', "INSERT INTO customers (email) VALUES ('gus@example.org') RETURNING id, email, plan, score"),
  inserting('every kind of value', 'INSERT INTO loose VALUES (?, ?, ?), (?, ?, ?)', 1, 1.5, null, 'text', new Uint8Array([0, 255]), new Uint8Array()),
  run('INSERT OR IGNORE', "INSERT OR IGNORE INTO customers (email) VALUES ('ada@example.org')"),
  run('UPDATE', "UPDATE customers SET plan = 'pro' WHERE plan = ?", 'free'),
  run('UPDATE of nothing', "UPDATE customers SET plan = 'pro' WHERE id = 999"),
  run('UPDATE RETURNING', 'UPDATE tickets SET title = upper(title) WHERE customer = 1 RETURNING id, title'),
  run('UPSERT', "INSERT INTO customers (email, score) VALUES ('ada@example.org', 5) ON CONFLICT (email) DO UPDATE SET score = excluded.score RETURNING score"),
  run('DELETE with a cascade', 'DELETE FROM customers WHERE id = 1'),
  run('into a table without rowid', 'INSERT INTO files VALUES (?, ?)', 'large', new Uint8Array(200_000).fill(7)),
  run('CREATE TABLE', 'CREATE TABLE made (id INTEGER PRIMARY KEY, v TEXT)'),
  inserting('into the new table', "INSERT INTO made (v) VALUES ('new')"),
  all('what was written', 'SELECT * FROM customers ORDER BY id'),
  all('what the cascade left', 'SELECT * FROM tickets ORDER BY id'),
  all('how it is stored', looseRows),
  one('D1 first a large blob', async ({ DB }) => new Uint8Array((await DB.prepare("SELECT body FROM files WHERE name = 'large'").first('body')))),

  // Batches.
  one('D1 batch', async ({ DB }) => DB.batch([
    DB.prepare('INSERT INTO made (v) VALUES (?)').bind('one'), DB.prepare('SELECT * FROM made ORDER BY id'), DB.prepare("UPDATE made SET v = v || '!'"), DB.prepare('SELECT count(*) AS n, 1 AS a, 2 AS a FROM made'),
  ])),
  one('D1 batch that fails is undone!', async ({ DB }) => DB.batch([DB.prepare("INSERT INTO made (v) VALUES ('lost')"), DB.prepare('INSERT INTO nowhere VALUES (1)')])),
  all('after the batch that failed', 'SELECT * FROM made ORDER BY id'),
  one('D1 batch of nothing!', async ({ DB }) => DB.batch([])),
  one('D1 batch of one', async ({ DB }) => DB.batch([DB.prepare('SELECT 1 AS a')])),
  one('D1 batch of fifty', async ({ DB }) => (await DB.batch(Array.from({ length: 50 }, (_, index) => DB.prepare('SELECT ? AS n').bind(index)))).map(({ results }) => results[0].n)),

  // exec.
  one('D1 exec', async ({ DB }) => ({ ...(await DB.exec("INSERT INTO made (v) VALUES ('by exec')\nUPDATE made SET v = 'x' WHERE id = 1")), duration: 'a time' })),
  one('D1 exec of one line', async ({ DB }) => ({ ...(await DB.exec('SELECT 1')), duration: 'a time' })),
  one('D1 exec of two statements in one line', async ({ DB }) => ({ ...(await DB.exec("INSERT INTO made (v) VALUES ('a'); INSERT INTO made (v) VALUES ('b')")), duration: 'a time' })),
  one('D1 exec with empty lines', async ({ DB }) => ({ ...(await DB.exec('\n\nSELECT 1;\n\n   \nSELECT 2;\n  -- the end\n')), duration: 'a time' })),
  one('D1 exec of two statements in one of several lines', async ({ DB }) => ({ ...(await DB.exec('SELECT 1; SELECT 2\nSELECT 3')), duration: 'a time' })),
  one('D1 exec that fails!', async ({ DB }) => DB.exec('INSERT INTO nowhere VALUES (1)')),
  one('D1 exec that fails later!', async ({ DB }) => DB.exec("INSERT INTO made (v) VALUES ('lost')\nINSERT INTO nowhere VALUES (1)")),
  one('D1 exec of a statement on two lines!', async ({ DB }) => DB.exec('SELECT\n1')),
  one('D1 exec takes a duration', async ({ DB }) => typeof (await DB.exec('SELECT 1')).duration),
  all('after exec', 'SELECT * FROM made ORDER BY id'),

  // Sessions and the rest.
  one('D1 session', async ({ DB }) => {
    const session = DB.withSession('first-primary');
    return [session.getBookmark(), await session.prepare('SELECT count(*) AS n FROM made').first('n'), (await session.batch([session.prepare('SELECT 1 AS a')]))[0].results];
  }),
  one('D1 session without a word', async ({ DB }) => [DB.withSession().getBookmark(), DB.withSession('').getBookmark(), DB.withSession('first-unconstrained').getBookmark()]),
  one('D1 session with a bookmark', async ({ DB }) => DB.withSession(' 0000-bookmark ').getBookmark()),
  one('D1 session has a bookmark after a query', async ({ DB }) => {
    const session = DB.withSession();
    await session.prepare('SELECT 1').all();
    return session.getBookmark() !== null;
  }),
  one('D1 dump!', async ({ DB }) => DB.dump()),
];
