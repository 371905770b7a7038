// A real browser on a hostile page: whatever the page tries, it learns nothing and nothing is done.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { projectFolder } from '../e2e/harness/settings.mjs';
import { openRun, reportOf } from '../e2e/helpers.mjs';
import { openDoor } from './mcp/door.mjs';
import { attack, fromWithin } from './mcp/hostile_page.mjs';
import { legacy, modern, startDesk } from './mcp/support.mjs';

const evil = 'evil.example';
const put = { name: 'kv_put', arguments: { key: 'stolen', value: 'stolen' } };
// Without headers of its own a page can only speak as the oldest clients do.
const body = JSON.stringify(legacy('tools/call', put).json);

describe('a hostile page in a real browser', () => {
  let gateway;
  let door;
  let elsewhere;
  let browser;
  let profile;
  let untouched;
  let run;
  before(async () => {
    ({ gateway, untouched } = await startDesk());
    run = await openRun(gateway, { mode: 'live' });
    door = await openDoor(gateway);
    elsewhere = await serve('<!doctype html><title>hostile</title><body></body>');
    profile = mkdtempSync(path.join(tmpdir(), 'dryrun-browser-'));
    browser = await puppeteer.launch({
      executablePath: execFileSync(path.join(projectFolder, 'scripts/setup_browser'), { encoding: 'utf8' }).trim(),
      userDataDir: profile,
      args: [
        '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
        '--disable-sync', `--host-resolver-rules=MAP ${evil} 127.0.0.1`,
      ],
    });
  });
  after(async () => {
    await browser?.close();
    await elsewhere?.close();
    await door?.close();
    await gateway?.stop();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });

  const visit = async (url) => {
    const page = await browser.newPage();
    await page.goto(url);
    return page;
  };

  /** Nothing of the real stores changed, no store was even asked, and the run knows of nothing. */
  const assertNothingDone = async (asked) => {
    assert.equal(await gateway.digest(), untouched);
    assert.deepEqual(gateway.recorder.requests.slice(asked).filter(({ store }) => ['DB', 'CACHE', 'FILES'].includes(store)), []);
    assert.deepEqual((await reportOf(gateway, run.id)).operations, []);
  };

  const blocked = /^error: \w+$/;
  const opaque = /^opaque 0$/;
  const expected = {
    'cors without a token': blocked, 'cors with the token': blocked, 'cors with the token, as text': blocked, 'cors with cookies': blocked, 'same-origin': blocked,
    'no-cors': opaque, 'no-cors with the token': opaque, 'no-cors without a referrer': opaque, 'no-cors GET': opaque,
    'XMLHttpRequest with the token': blocked, beacon: /^true$/, 'event stream': blocked, 'web socket': blocked,
    'form as text/plain': /^nothing$/, 'form as application/x-www-form-urlencoded': /^nothing$/, 'form as multipart/form-data': /^nothing$/,
    frame: /^nothing$/, image: blocked, script: blocked,
  };
  const assertAttackFailed = (learned, seen, origin) => {
    assert.deepEqual(Object.keys(learned).toSorted(), Object.keys(expected).toSorted());
    for (const [name, outcome] of Object.entries(learned)) assert.match(outcome, expected[name], name);
    // The attempts did reach the gateway; it was the gateway that said no.
    const posts = seen.filter(({ method }) => method === 'POST');
    assert.ok(posts.length >= 7, JSON.stringify(seen));
    for (const { method, status, origin: said } of seen) assert.deepEqual([status, said], said === undefined ? [405, undefined] : [403, origin(said)], method);
    assert.ok(seen.filter(({ method }) => method === 'OPTIONS').length >= 3, 'the browser asked for leave first');
    assert.equal(seen.some(({ authorization }) => authorization !== undefined), false, 'the token never left the browser');
  };

  test('of another origin gets nothing and does nothing, with a stolen token as well', async () => {
    const [asked, through] = [gateway.recorder.requests.length, door.seen.length];
    const page = await visit(elsewhere.url);
    const learned = await page.evaluate(attack, `${door.url}/mcp`, run.token, body);
    // Without a referrer the browser says null.
    assertAttackFailed(learned, door.seen.slice(through), (said) => (said === 'null' ? 'null' : elsewhere.url));
    await assertNothingDone(asked);
    await page.close();
  });

  test('of another name for this machine gets nothing and does nothing', async () => {
    const [asked, through] = [gateway.recorder.requests.length, door.seen.length];
    const origin = elsewhere.url.replace('127.0.0.1', 'localhost');
    const page = await visit(origin);
    const learned = await page.evaluate(attack, `${door.url}/mcp`, run.token, body);
    assertAttackFailed(learned, door.seen.slice(through), (said) => (said === 'null' ? 'null' : origin));
    await assertNothingDone(asked);
    await page.close();
  });

  test('without an origin of its own gets nothing and does nothing', async () => {
    const [asked, through] = [gateway.recorder.requests.length, door.seen.length];
    const page = await visit(elsewhere.url);
    const learned = await page.evaluate(async (source, ...given) => {
      const frame = document.createElement('iframe');
      frame.sandbox = 'allow-scripts';
      frame.srcdoc = `<script>onmessage = async ({ data }) => { const act = ${source}; parent.postMessage(await act(...data), '*'); }</script>`;
      const answered = new Promise((resolve) => window.addEventListener('message', ({ data }) => resolve(data), { once: true }));
      frame.onload = () => frame.contentWindow.postMessage(given, '*');
      document.body.append(frame);
      return answered;
    }, String(sandboxed), `${door.url}/mcp`, run.token, body);
    assert.match(learned.cors, blocked);
    assert.match(learned.simple, opaque);
    const seen = door.seen.slice(through);
    assert.deepEqual(seen.map(({ method, origin, status }) => [method, origin, status]), [['OPTIONS', 'null', 403], ['POST', 'null', 403]]);
    await assertNothingDone(asked);
    await page.close();
  });

  test('whose name was pointed to this machine is refused although it is of the same origin', async () => {
    const [asked, through] = [gateway.recorder.requests.length, door.seen.length];
    const page = await visit(`${door.url.replace('127.0.0.1', evil)}/health`);
    const { status, json } = await page.evaluate(fromWithin, '/mcp', run.token, body);
    assert.deepEqual([status, json.error.code, json.result], [403, -32600, undefined]);
    const post = door.seen.slice(through).find(({ method }) => method === 'POST');
    assert.deepEqual([post.host, post.origin, post.authorization], [new URL(page.url()).host, new URL(page.url()).origin, `Bearer ${run.token}`], 'everything but the name was right');
    await assertNothingDone(asked);
    await page.close();
  });

  // Last, because it writes: what the pages above tried works where it may.
  test('the same request from the gateway\'s own origin is carried out', async () => {
    const page = await visit(`${door.url}/health`);
    const { status, json } = await page.evaluate(fromWithin, '/mcp', run.token, body);
    assert.deepEqual([status, json.result.isError], [200, false]);
    assert.equal(await gateway.cache.get('stolen'), 'stolen');
    assert.equal((await gateway.api('/mcp', { token: run.token, ...modern('tools/list') })).status, 200);
    await page.close();
  });
});

/** Runs inside a frame that has no origin. */
async function sandboxed(target, token, body) {
  const outcome = (act) => act().then((response) => `${response.type} ${response.status}`, (error) => `error: ${error.name}`);
  return {
    cors: await outcome(() => fetch(target, { method: 'POST', body, headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` } })),
    simple: await outcome(() => fetch(target, { method: 'POST', body, mode: 'no-cors' })),
  };
}

async function serve(page) {
  const server = http.createServer((request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(page));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
