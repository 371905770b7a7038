-- The gateway's own index. The runs themselves live in their objects; this is what can be listed.

-- Says which environment this database belongs to. Written once, by hand or by `make dev`, never by a migration:
-- the migrations are the same everywhere, and a Worker whose ENVIRONMENT differs from this refuses everything.
CREATE TABLE environment_marker (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  environment TEXT NOT NULL CHECK (environment IN ('staging', 'production'))
);

CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  mode TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  closed_at INTEGER,
  parent TEXT,
  labels TEXT NOT NULL,
  prompt_version TEXT
) WITHOUT ROWID;

CREATE INDEX runs_by_time ON runs (opened_at);
CREATE INDEX runs_by_owner ON runs (owner, opened_at);

-- Opening a run without an id but with an Idempotency-Key: which id was generated for it.
CREATE TABLE openings (
  owner TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  request TEXT NOT NULL,
  run TEXT NOT NULL,
  PRIMARY KEY (owner, idempotency_key)
) WITHOUT ROWID;

-- One row for each cause and minute.
CREATE TABLE alerts (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  cause TEXT NOT NULL,
  minute INTEGER NOT NULL,
  count INTEGER NOT NULL,
  message TEXT NOT NULL,
  run TEXT,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  UNIQUE (kind, cause, minute)
);
