-- The support desk of Parcelwise, a company that sells shipping-label software to small shops.
-- People write from everywhere, so what arrives is kept as it came; what must hold is held by the schema.

CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  email TEXT NOT NULL UNIQUE COLLATE NOCASE,
  name TEXT NOT NULL,
  company TEXT,
  plan TEXT NOT NULL DEFAULT 'free' CHECK (plan IN ('free', 'starter', 'business', 'enterprise')),
  locale TEXT NOT NULL DEFAULT 'en',
  since TEXT NOT NULL
);

CREATE TABLE tickets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id INTEGER REFERENCES customers (id),
  channel TEXT NOT NULL CHECK (channel IN ('email', 'form', 'chat', 'phone')),
  sender TEXT,
  received_at TEXT,
  subject TEXT,
  body TEXT NOT NULL,
  attachment_key TEXT,
  status TEXT NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'open', 'pending', 'resolved', 'duplicate')),
  priority TEXT CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
  category TEXT,
  assignee TEXT,
  due_at TEXT,
  duplicate_of INTEGER REFERENCES tickets (id) ON DELETE SET NULL CHECK (duplicate_of <> id),
  summary_key TEXT,
  updated_at TEXT NOT NULL
);

CREATE INDEX tickets_by_customer ON tickets (customer_id, status);
CREATE INDEX tickets_waiting ON tickets (priority, due_at) WHERE status IN ('new', 'open');

CREATE TRIGGER tickets_touched AFTER UPDATE OF status, priority, category, assignee, duplicate_of, summary_key ON tickets
BEGIN
  UPDATE tickets SET updated_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE id = new.id;
END;

CREATE TABLE notes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ticket_id INTEGER NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
  author TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT 'note' CHECK (kind IN ('note', 'draft')),
  body TEXT NOT NULL CHECK (length(trim(body)) > 0)
);

CREATE INDEX notes_by_ticket ON notes (ticket_id);

CREATE TABLE tags (
  name TEXT PRIMARY KEY,
  uses INTEGER NOT NULL DEFAULT 0 CHECK (uses >= 0)
);

CREATE TABLE ticket_tags (
  ticket_id INTEGER NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
  tag TEXT NOT NULL REFERENCES tags (name) ON UPDATE CASCADE,
  PRIMARY KEY (ticket_id, tag)
) WITHOUT ROWID;

CREATE TABLE invoices (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  number TEXT NOT NULL UNIQUE,
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
  credited_cents INTEGER NOT NULL DEFAULT 0 CHECK (credited_cents BETWEEN 0 AND amount_cents),
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  status TEXT NOT NULL CHECK (status IN ('open', 'paid', 'overdue', 'disputed', 'credited')),
  issued_on TEXT NOT NULL,
  due_on TEXT NOT NULL,
  paid_on TEXT,
  CHECK (status <> 'paid' OR paid_on IS NOT NULL)
);

CREATE INDEX invoices_by_customer ON invoices (customer_id);

-- The auditors want to see who got what back, whoever wrote it.
CREATE TABLE invoice_history (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  invoice_id INTEGER NOT NULL REFERENCES invoices (id),
  status_before TEXT NOT NULL,
  status_after TEXT NOT NULL,
  credited_before INTEGER NOT NULL,
  credited_after INTEGER NOT NULL
);

CREATE TRIGGER invoices_audited AFTER UPDATE OF status, credited_cents ON invoices
WHEN old.status <> new.status OR old.credited_cents <> new.credited_cents
BEGIN
  INSERT INTO invoice_history (invoice_id, status_before, status_after, credited_before, credited_after)
  VALUES (new.id, old.status, new.status, old.credited_cents, new.credited_cents);
END;

-- What the desk looks at in the morning.
CREATE VIEW waiting AS
SELECT tickets.id, tickets.priority, tickets.category, tickets.assignee, tickets.due_at, tickets.subject, customers.name AS customer, customers.plan
FROM tickets LEFT JOIN customers ON customers.id = tickets.customer_id
WHERE tickets.status IN ('new', 'open');
