// Makes a run older than it is, so that nobody has to wait for half the life of a flag.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

function opened(file, use) {
  const database = new DatabaseSync(file);
  try {
    return use(database);
  } finally {
    database.close();
  }
}

/** Makes the run as old as if its flag had been put and last tried `seconds` earlier, alarm included. The gateway restarts. */
export async function age(gateway, run, seconds) {
  const storage = path.join(gateway.state, 'objects', 'dryrun-gateway-staging-RunObject');
  await gateway.kill();
  const [id] = opened(path.join(storage, 'metadata.sqlite'), (alarms) => {
    const rows = alarms.prepare('SELECT actor_id AS id FROM _cf_ALARM WHERE actor_name = ?').all(run.id);
    alarms.prepare('UPDATE _cf_ALARM SET scheduled_time = scheduled_time - ? WHERE actor_name = ?').run(BigInt(seconds) * 1_000_000_000n, run.id);
    return rows.map((row) => row.id);
  });
  assert.ok(readdirSync(storage).includes(`${id}.sqlite`), 'the run has an alarm');
  opened(path.join(storage, `${id}.sqlite`), (object) => {
    object.prepare('UPDATE flag SET published_at = published_at - ?1, attempted_at = attempted_at - ?1').run(seconds * 1000);
    object.prepare('UPDATE _cf_METADATA SET value = value - ? WHERE key = 1').run(BigInt(seconds) * 1_000_000_000n);
  });
  gateway.recorder.clear();
  await gateway.restart();
}
