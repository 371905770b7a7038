// `make demo` tells the whole story and tells it truly.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { projectFolder } from './harness/settings.mjs';

describe('the demo', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'dryrun-demo-'));
  let output;
  let status;

  before(async () => {
    const child = spawn(process.execPath, ['scripts/demo.mjs'], { cwd: projectFolder, env: { ...process.env, DEMO_STATE: folder }, stdio: ['ignore', 'pipe', 'pipe'] });
    output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (output += chunk));
    [status] = await once(child, 'close');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const shows = (name, ...patterns) => test(name, () => patterns.forEach((pattern) => assert.match(output, pattern)));

  test('ends well', () => assert.equal(status, 0, output));

  test('finds the stores as they were', () => {
    assert.match(output, /^identical: nothing was written$/m);
    const [, digestBefore] = /^before ([0-9a-f]{64})$/m.exec(output);
    const [, digestAfter] = /^after {2}([0-9a-f]{64})$/m.exec(output);
    assert.equal(digestAfter, digestBefore);
  });

  shows('plays every ticket of the queue', /^ *1001 +refund/m, /^ *1026 +duplicate of 1009/m, /26 tickets with \d+ requests/);

  shows('reports updates, inserts and deletions with what they would change', /\d+ updated, \d+ inserted, \d+ deleted/, /`status`.*`new`.*`open`/, /hostile-text/, /attachments\/1010\/offer\.html/);

  shows('reports what the store would have failed, in its own words', /UNIQUE constraint failed: customers\.email/, /NOT NULL constraint failed: customers\.name/,
    /CHECK constraint failed/, /FOREIGN KEY constraint failed/);

  shows('reports the statement that the gateway refused', /PRAGMA writable_schema/, /statement_not_allowed/);

  shows('says that foreign keys stay on', /PRAGMA foreign_keys = OFF has no effect on D1/);

  shows('reports what was skipped', /skipped/i, /PW-2019-0044/);

  shows('points at rows that name objects of the plan, and at a change without a WHERE', /exists? only in (this|the) plan/, /UPDATE `tags` has no WHERE/);

  test('lets nothing of a hostile ticket into the layout of the report', () => {
    const report = output.slice(output.indexOf('# Dry run'));
    assert.doesNotMatch(report, /^# Approved by security/m);
    assert.doesNotMatch(report, /\u202e/);
  });
});
