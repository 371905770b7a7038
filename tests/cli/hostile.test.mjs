// What the command prints when an answer is hostile: every text that a gateway answers is poisoned once, and nothing of it may move the cursor, be
// invisible, turn the words around or begin a line of its own.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { agentOf, openRun } from '../e2e/helpers.mjs';
import { makeProject, twoEnvironments } from './helpers.mjs';

const poison = '\n\u001b[2JFORGED\u009b1m\u202e\u{e0041}\u3164\r\nFORGED';
// Everything that is not seen, and line feeds apart from those of our own.
const unseen = /[\u0000-\u0009\u000b-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/u;

/** A gateway's double: passes requests on and keeps the answers, or plays them again with one of them poisoned. */
class Double {
  recorded = [];
  played = null;

  async start(target) {
    this.target = target;
    this.server = createServer((request, response) => void this.answer(request, response).catch((error) => response.destroy(error)));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  stop() {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  async answer(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const answer = this.played ? this.played.shift() : await this.ask(request, Buffer.concat(chunks));
    const { status, headers, text } = answer ?? { status: 404, headers: { environment: 'staging', 'content-type': 'application/json' }, text: '{"code":"unknown_run","detail":"No.","remedy":"None."}' };
    response.writeHead(status, headers).end(text);
  }

  async ask({ method, url, headers }, body) {
    const { authorization, 'content-type': type } = headers;
    const answer = await fetch(`${this.target}${url}`, { method, headers: { ...(authorization ? { authorization } : {}), ...(type ? { 'content-type': type } : {}) }, body: body.length ? body : undefined });
    const kept = { status: answer.status, headers: Object.fromEntries(['environment', 'content-type', 'dry-run'].map((name) => [name, answer.headers.get(name)]).filter(([, value]) => value)), text: await answer.text() };
    this.recorded.push({ double: this, ...kept });
    return kept;
  }
}

/** Members whose text decides what the command does next: poisoned one at a time. All others are poisoned together. */
const deciding = /\.(id|token|mode|phase|environment|kind|code|status|binding|account|outcome|change|access|role|policy|keys|control|flags|url|position)$|\[\]\[\d+\]$/;
/** Objects whose members have names from data. */
const named = /\.(before|after|labels|refused|inexact|volatile|checks|request)$/;

/** Answers in which the texts of one are poisoned. */
function poisoned(text) {
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // Markdown, which the gateway lays out: lines are its own business.
    return [`${text} ${poison.replaceAll(/[\r\n]/g, ' ')}`];
  }
  const places = new Set();
  /** A copy with everything poisoned that `wanted` names. */
  const copy = (value, place, wanted, inList = false) => {
    if (typeof value === 'string') {
      places.add(place);
      return wanted(place) ? value + poison : value;
    }
    if (Array.isArray(value)) return value.map((item, index) => copy(item, inList ? `${place}[${index}]` : `${place}[]`, wanted, true));
    if (!value || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [named.test(place) && wanted(`${place}?`) ? name + poison : name, copy(member, `${place}.${name}`, wanted)]));
  };
  const whole = copy(json, '', () => false);
  assert.deepEqual(whole, json);
  const alone = [...places].filter((place) => deciding.test(place));
  const games = [(place) => !deciding.test(place) && !place.endsWith('?'), (place) => place.endsWith('?'), ...alone.map((one) => (place) => place === one)];
  const texts = new Set(games.map((wanted) => JSON.stringify(copy(json, '', wanted))));
  texts.delete(JSON.stringify(json));
  return [...texts];
}

let staging;
let production;
let stop;
let project;
let here;
let there;
before(async () => {
  ({ staging, production, stop } = await twoEnvironments());
  [here, there] = [new Double(), new Double()];
  await Promise.all([here.start(staging.url), there.start(production.url)]);
  project = makeProject({ staging: { url: here.url, key: staging.keys.approver }, production: { url: there.url, key: production.keys.approver } });
  for (const gateway of [staging, production]) {
    await gateway.db.exec(`CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT UNIQUE, plan TEXT); CREATE TABLE notes (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id) ON DELETE CASCADE);
      INSERT INTO customers VALUES (1, 'ada@example.com', 'free'), (2, 'bob@example.com', 'pro'); INSERT INTO notes VALUES (1, 1)`);
  }
  await production.db.exec('CREATE TABLE extra (id INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_plan ON customers (plan)');
  const run = await openRun(staging, { key: 'approver', id: 'worked', labels: { team: 'desk' }, prompt_version: 'v1' });
  const agent = agentOf(staging, run.token);
  await agent.sql("UPDATE customers SET plan = 'x', email = datetime('now') WHERE id = 2");
  await agent.sql('DELETE FROM customers WHERE id = 1');
  await agent.sql('DELETE FROM notes');
  await agent.sql('INSERT INTO customers VALUES (2, 1, 1)');
  await agent.sql('ANALYZE');
  await agent.put('key', 'value');
  await agent.call('/client/v4/accounts/local/queues');
  await openRun(staging, { token: run.token, id: 'below' });
  await staging.api('/v1/runs', { key: 'drk_production_x' });
  const folder = path.join(project.folder, 'migrations');
  mkdirSync(folder);
  writeFileSync(path.join(folder, '0001_a.sql'), "CREATE TABLE new_one (id INTEGER PRIMARY KEY);\nUPDATE customers SET plan = 'y';\nDELETE FROM customers WHERE id = 1;\nINSERT INTO customers VALUES (2, 1, 1);");
});
after(async () => {
  here?.stop();
  there?.stop();
  project?.remove();
  await stop?.();
});

const commands = [
  ['runs'], ['report', 'worked'], ['report', 'worked', '--json'], ['operation', 'worked', '2'], ['operation', 'worked', '4'], ['alerts'], ['env'], ['exec', '--', 'true'], ['exec', '--json', '--', 'true'],
  ['smoke', '--retries', '0'], ['rehearse', 'migrations', '--from', 'staging'], ['rehearse', 'migrations', '--from', 'staging', '--markdown'], ['drift'], ['drift', '--markdown'],
  ['mirror', '--from', 'production', '--to', 'staging', '--dry-run'], ['turn-dry', 'below'],
];

describe('a hostile answer', { timeout: 600_000 }, () => {
  for (const command of commands) {
    test(`does not get into what dryrun ${command.join(' ')} prints`, async () => {
      here.recorded = there.recorded = [];
      here.played = there.played = null;
      const good = await project.run(command);
      assertSeen(good, 'a good answer');
      const recorded = here.recorded;
      assert.ok(recorded.length > 0, good.stderr);
      const games = recorded.flatMap((answer, index) => poisoned(answer.text).map((text) => recorded.with(index, { ...answer, text })));
      // What was reached: a game that ends before anything is printed proves little.
      let reached = 0;
      for (const game of games) {
        for (const double of [here, there]) double.played = game.filter((answer) => answer.double === double);
        const ended = await project.run(command);
        assertSeen(ended, JSON.stringify(game.find((answer, index) => answer !== recorded[index]).text).slice(0, 2_000));
        reached += Number((ended.stdout + ended.stderr).includes('FORGED'));
      }
      assert.ok(reached > 0, `nothing of ${games.length} poisoned answers was printed`);
    });
  }

  test('nor does what stands in the command line', async () => {
    for (const args of [['report', poison], ['operation', 'worked', poison], [poison], ['exec', '--label', poison, '--', 'true'], ['exec', '--', `./${poison.replaceAll('/', '')}`], ['drift', '--from', poison], ['rehearse', poison]]) {
      here.played = there.played = null;
      for (const json of [[], ['--json']]) assertSeen(await project.run([...json, ...args]), JSON.stringify(args));
    }
  });
});

function assertSeen({ stdout, stderr }, about) {
  for (const [name, text] of Object.entries({ stdout, stderr })) {
    const found = unseen.exec(text);
    assert.equal(found, null, `U+${found?.[0].codePointAt(0).toString(16)} in ${name}: ${JSON.stringify(text.slice(Math.max(0, (found?.index ?? 0) - 60), (found?.index ?? 0) + 40))}\n${about}`);
    for (const line of text.split('\n')) assert.ok(!/^[\s✓✗!*·|#-]*FORGED/.test(line), `a line of its own in ${name}: ${JSON.stringify(line)}\n${about}`);
  }
}
