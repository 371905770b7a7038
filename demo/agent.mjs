// A scripted triage agent. It knows the gateway's HTTP API and nothing else, and it does not behave any differently because this is a dry run:
// after every write it looks whether the write is there, and it stops when it is not.

import { Refusal } from './client.mjs';
import { amountIn, isUrgent, mentions, planNamed, readBody, readSender, readTime, topicsOf } from './rules.mjs';

const author = 'triage-agent';
const levels = ['low', 'normal', 'high', 'urgent'];

/** Works through the queue. `say` gets one line a ticket. Returns how many tickets it handled. */
export async function triage({ gateway, say }) {
  const desk = await open(gateway);
  for (const id of desk.queue) {
    const { what, done } = await handle(desk, id);
    say(`${id}  ${what.padEnd(27)} ${done.join('; ')}`.trimEnd());
  }
  say(`tidy  ${''.padEnd(27)} ${(await tidy(desk)).join('; ')}`);
  return desk.queue.length;
}

// ---------------------------------------------------------------- the desk

async function open(gateway) {
  await gateway.putValue('lock:triage', author, { ttl: 600 });
  see((await gateway.value('lock:triage')) === author, 'the lock');
  const [ruleKeys, replyKeys] = [await gateway.keys('routing:'), await gateway.keys('reply:')];
  const values = await gateway.values([...ruleKeys, ...replyKeys].map(({ name }) => name));
  const { rows } = await gateway.sql("SELECT id FROM tickets WHERE status = 'new' OR (status = 'resolved' AND body LIKE '%please reopen%') ORDER BY id");
  // The tag was always meant to be called so; the tickets that carry it follow by the foreign key.
  await gateway.sql("UPDATE tags SET name = 'login' WHERE name = 'log-in'");
  const followed = await gateway.sql("SELECT count(*) AS n FROM ticket_tags WHERE tag = 'login'");
  see(followed.rows[0].n === 1, 'the tag under its new name');
  return {
    gateway,
    queue: rows.map(({ id }) => id),
    rules: ruleKeys.map(({ name }) => JSON.parse(values[name])),
    replies: Object.fromEntries(replyKeys.map(({ name }) => [name.slice('reply:'.length), values[name]])),
    config: JSON.parse(await gateway.value('config:triage')),
    counted: {},
    handedOver: [],
    latest: new Date(0),
  };
}

async function handle(desk, id) {
  const ticket = await read(desk, id);
  const reading = understand(desk, ticket);
  if (reading.category === 'spam') return discard(desk, ticket);

  const done = reading.isHostile ? ['text that would like to be obeyed: quoted, not obeyed'] : [];
  if (ticket.customer_id === null && reading.sender.email) done.push(await introduce(desk, ticket, reading));
  const original = await findOriginal(desk, ticket, reading);
  if (original) return merge(desk, ticket, original, done);

  await assign(desk, ticket, reading);
  await record(desk, ticket, reading);
  for (const act of [linkEarlier, settle, erase, wakeUp, handOver]) {
    const what = await act(desk, ticket, reading);
    if (what) done.push(what);
  }
  await count(desk, reading.category, id);
  return { what: `${reading.category}, ${reading.priority} → ${reading.assignee ?? 'nobody'}`, done };
}

async function tidy({ gateway, counted, handedOver }) {
  // Meant for every row, so the agent counts the rows first and stops when it is more or fewer.
  const [{ n: tags }] = (await gateway.sql('SELECT count(*) AS n FROM tags')).rows;
  const recounted = await gateway.sql('UPDATE tags SET uses = (SELECT count(*) FROM ticket_tags WHERE ticket_tags.tag = tags.name)');
  see(recounted.changes === tags, `${tags} recounted tags, not ${recounted.changes}`);
  const unused = await gateway.sql('DELETE FROM tags WHERE uses = 0 RETURNING name');
  const kept = await gateway.sql('SELECT count(*) AS n FROM tags');
  see(kept.rows[0].n === tags - unused.rows.length, 'the tags that are left');

  const files = await gateway.objects('triage/');
  see(files.map(({ key }) => key).join() === [...handedOver].sort().join(), 'the hand-over files in a list');
  const counters = await gateway.keys('counter:tickets:');
  see(Object.keys(counted).every((category) => counters.some(({ name }) => name === `counter:tickets:${category}`)), 'the counters in a list');
  const waiting = await gateway.sql("SELECT priority, count(*) AS n FROM waiting GROUP BY priority ORDER BY n DESC, priority");
  await gateway.deleteValue('lock:triage');
  see((await gateway.value('lock:triage')) === null, 'that the lock is gone');
  return [`tags recounted`, `waiting: ${waiting.rows.map(({ priority, n }) => `${n} ${priority}`).join(', ')}`];
}

// ---------------------------------------------------------------- reading

async function read({ gateway }, id) {
  const sameCustomer = 'customer_id = (SELECT customer_id FROM tickets WHERE id = ?1)';
  const [tickets, invoices, others] = await gateway.batch([
    ['SELECT tickets.*, customers.name AS customer_name, plan, locale FROM tickets LEFT JOIN customers ON customers.id = customer_id WHERE tickets.id = ?', [id]],
    [`SELECT number, amount_cents, credited_cents, currency, status, issued_on FROM invoices WHERE ${sameCustomer} ORDER BY number`, [id]],
    [`SELECT id, category, priority FROM tickets WHERE ${sameCustomer} AND id < ?1 AND status = 'open' ORDER BY id`, [id]],
  ]);
  const ticket = tickets.rows[0];
  const attachment = ticket.attachment_key && (await gateway.object(ticket.attachment_key));
  return { ...ticket, invoices: invoices.rows, others: others.rows, attachment };
}

function understand(desk, ticket) {
  const body = readBody(ticket.body);
  const topics = topicsOf(ticket, body.own, desk.rules).filter(({ score }) => score >= desk.config.topicAt);
  const isSpam = topics[0]?.category === 'spam' && topics[0].score >= desk.config.spamAt;
  const rule = desk.rules.find(({ category }) => category === topics[0]?.category);
  const received = readTime(ticket.received_at);
  if (received > desk.latest) desk.latest = received;
  const raises = Number(isUrgent(ticket, body.own)) + (desk.config.planRaises[ticket.plan] ?? 0);
  return {
    ...body,
    sender: readSender(ticket.sender),
    topics,
    category: isSpam ? 'spam' : (rule?.category ?? 'unclear'),
    team: rule?.team ?? 'the desk',
    assignee: rule?.assignee ?? null,
    priority: levels[Math.min(levels.indexOf(rule?.priority ?? 'low') + raises, levels.length - 1)],
    due: new Date((received ?? desk.latest).getTime() + (rule?.slaHours ?? 48) * 3_600_000).toISOString().slice(0, 16) + 'Z',
    dateUnclear: received === null,
    isHostile: /<img|javascript:|drop table|ignore previous/i.test(body.own),
    mentioned: mentions(ticket, body.own),
    amount: amountIn(body.own),
  };
}

/** An earlier open ticket about the same thing, of the same customer or of the one whose mail was forwarded. */
async function findOriginal({ gateway }, ticket, { category, forwardedFrom }) {
  if (forwardedFrom.length > 0) {
    const sql = `SELECT tickets.id, category, priority FROM tickets JOIN customers ON customers.id = customer_id
      WHERE customers.email = ?1 AND tickets.id < ?2 AND status = 'open' ORDER BY tickets.id LIMIT 1`;
    return (await gateway.sql(sql, [forwardedFrom[0], ticket.id])).rows[0];
  }
  return ticket.others.find((other) => other.category === category);
}

// ---------------------------------------------------------------- writing

/** Spam goes, with its notes and tags by cascade and its attachment by hand. */
async function discard(desk, { id, attachment_key: attachment }) {
  const { gateway } = desk;
  const [{ n: notes }] = (await gateway.sql('SELECT count(*) AS n FROM notes WHERE ticket_id = ?', [id])).rows;
  const deleted = await gateway.sql('DELETE FROM tickets WHERE id = ?', [id]);
  see(deleted.changes > 0, `the deletion of ${id}`);
  const left = await gateway.sql('SELECT (SELECT count(*) FROM tickets WHERE id = ?1) + (SELECT count(*) FROM notes WHERE ticket_id = ?1) AS n', [id]);
  see(left.rows[0].n === 0, `that ${id} is gone with its notes`);
  if (attachment) {
    await gateway.deleteObject(attachment);
    see((await gateway.object(attachment)) === null, `that ${attachment} is gone`);
  }
  await count(desk, 'spam', id);
  return { what: 'spam', done: [`deleted with ${notes} ${notes === 1 ? 'note' : 'notes'}${attachment ? ' and its attachment' : ''}`] };
}

/** Makes a customer of an unknown sender, as far as the rules of the table allow. */
async function introduce({ gateway }, ticket, { sender, own }) {
  const insert = (plan) => gateway.sql('INSERT INTO customers (email, name, plan, since) VALUES (?, ?, ?, ?) RETURNING id', [sender.email, sender.name, plan, '2026-02-11']);
  const plan = planNamed(own);
  let found = await attempt(() => insert(plan));
  let what = 'new customer';
  if (/CHECK/.test(found.refusal?.message)) {
    what = `new customer, but there is no plan "${plan}"`;
    found = await attempt(() => insert('free'));
  } else if (/UNIQUE/.test(found.refusal?.message)) {
    what = 'the sender is a customer already';
    found = await attempt(() => gateway.sql('SELECT id FROM customers WHERE email = ?', [sender.email]));
  } else if (/NOT NULL/.test(found.refusal?.message)) {
    return 'no customer made: the name is missing';
  }
  if (found.refusal) throw found.refusal;
  const [{ id }] = found.answer.rows;
  await gateway.sql('UPDATE tickets SET customer_id = ? WHERE id = ?', [id, ticket.id]);
  const linked = await gateway.sql('SELECT customer_id, plan, locale, name AS customer_name FROM tickets JOIN customers ON customers.id = customer_id WHERE tickets.id = ?', [ticket.id]);
  see(linked.rows[0]?.customer_id === id, `the customer of ${ticket.id}`);
  Object.assign(ticket, linked.rows[0]);
  return what;
}

/** Folds a ticket into an earlier one: its notes move there. */
async function merge({ gateway }, ticket, original, done) {
  await gateway.sql("UPDATE tickets SET status = 'duplicate', duplicate_of = ?, category = ? WHERE id = ?", [original.id, original.category, ticket.id]);
  const moved = await gateway.sql('UPDATE notes SET ticket_id = ? WHERE ticket_id = ?', [original.id, ticket.id]);
  const note = await gateway.sql('INSERT INTO notes (ticket_id, author, body) VALUES (?, ?, ?) RETURNING id', [original.id, author, `Also reported in ${ticket.id} by ${ticket.sender ?? 'phone'}.`]);
  const [seen] = (await gateway.sql(
    'SELECT duplicate_of, (SELECT ticket_id FROM notes WHERE id = ?2) AS note_of FROM tickets WHERE id = ?1', [ticket.id, note.rows[0].id])).rows;
  see(seen.duplicate_of === original.id && seen.note_of === original.id, `that ${ticket.id} is merged into ${original.id}`);
  return { what: `duplicate of ${original.id}`, done: [...done, ...(moved.changes > 0 ? [`${moved.changes} note moved`] : [])] };
}

async function assign({ gateway }, { id, status }, { category, priority, assignee, due }) {
  const next = assignee ? 'open' : 'pending';
  await gateway.sql('UPDATE tickets SET status = ?, category = ?, priority = ?, assignee = ?, due_at = ? WHERE id = ? AND status = ?', [next, category, priority, assignee, due, id, status]);
}

/** Two notes and a tag for every topic, whether there was such a tag before or not. */
async function record({ gateway, replies }, ticket, reading) {
  const { id } = ticket;
  const tags = tagsOf(reading);
  const answers = await gateway.batch([
    ["INSERT INTO notes (ticket_id, author, kind, body) VALUES (?1, ?2, 'note', ?3), (?1, ?2, 'draft', ?4) RETURNING id", [id, author, summaryOf(ticket, reading), draftOf(ticket, reading, replies)]],
    ...tags.flatMap((tag) => [
      ['INSERT INTO tags (name, uses) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET uses = uses + 1', [tag]],
      ['INSERT INTO ticket_tags (ticket_id, tag) VALUES (?, ?) ON CONFLICT DO NOTHING', [id, tag]],
    ]),
  ]);
  const [waiting, notesSeen, tagsSeen] = await gateway.batch([
    ['SELECT priority, assignee FROM waiting WHERE id = ?', [id]],
    ['SELECT id FROM notes WHERE ticket_id = ?', [id]],
    ['SELECT tag FROM ticket_tags WHERE ticket_id = ?', [id]],
  ]);
  const { priority, assignee } = waiting.rows[0] ?? { assignee: null };
  see(assignee === reading.assignee && (assignee === null || priority === reading.priority), `the assignment of ${id}`);
  see(answers[0].rows.every((note) => notesSeen.rows.some((seen) => seen.id === note.id)), `the notes on ${id}`);
  see(tags.every((tag) => tagsSeen.rows.some((seen) => seen.tag === tag)), `the tags of ${id}`);
}

function tagsOf({ topics, isHostile, dateUnclear, category }) {
  const marks = { 'hostile-text': isHostile, 'date-unclear': dateUnclear, unclear: category === 'unclear' };
  return [...topics.map((topic) => topic.category), ...Object.keys(marks).filter((mark) => marks[mark])];
}

function summaryOf({ subject, status }, { category, topics, quoted, own }) {
  const others = topics.slice(1).map((topic) => topic.category);
  const said = subject ? `${subject} – ${own}` : own;
  return [
    `Reads as ${category}${others.length > 0 ? `, also ${others.join(', ')}` : ''}.`,
    ...(quoted > 0 ? [`${quoted} quoted lines left aside.`] : []),
    ...(status === 'resolved' ? ['Was closed, the customer disagrees: reopened.'] : []),
    `“${said.slice(0, 100)}${said.length > 100 ? '…' : ''}”`,
  ].join(' ');
}

function draftOf(ticket, { category, team, due, sender }, replies) {
  const name = ticket.customer_name ?? sender.name ?? 'there';
  if (category === 'unclear') return `Hello ${name}, sorry that something is wrong. Could you tell us what you tried, and on which screen?`;
  return (replies[ticket.locale] ?? replies.en).replace('{name}', name).replace('{team}', team).replace('{due}', due.replace('T', ' ').replace('Z', ' UTC'));
}

/** "Same as #998": linked when there is such a ticket. */
async function linkEarlier({ gateway }, { id }, { mentioned }) {
  const [earlier] = mentioned.tickets;
  if (earlier === undefined) return null;
  const linked = await attempt(() => gateway.sql('UPDATE tickets SET duplicate_of = ? WHERE id = ?', [earlier, id]));
  return linked.refusal ? `#${earlier} is not a ticket here` : `linked to #${earlier}`;
}

/** Money. A credit and its note are one batch: both or neither. */
async function settle(desk, ticket, { category, mentioned, amount }) {
  const { gateway } = desk;
  if (category === 'billing' && mentioned.invoices.length > 0) {
    const [number] = mentioned.invoices;
    const disputed = await gateway.sql("UPDATE invoices SET status = 'disputed' WHERE number = ? AND status = 'overdue'", [number]);
    return disputed.changes > 0 ? `${number} disputed` : `${number} is not an overdue invoice`;
  }
  if (category !== 'refund') return null;
  const invoices = ticket.invoices.filter(({ number }) => mentioned.invoices.includes(number));
  const [first, second] = invoices;
  const isTwice = second && first.amount_cents === second.amount_cents && first.issued_on === second.issued_on;
  const credit = isTwice ? { number: second.number, cents: second.amount_cents, currency: second.currency } : amount && { number: first.number, ...amount };
  if (!credit || credit.cents > desk.config.creditLimitCents[credit.currency]) return 'a refund for a person to decide';
  return pay(gateway, ticket, credit);
}

async function pay(gateway, ticket, { number, cents, currency }) {
  const words = `${number} by ${(cents / 100).toFixed(2)} ${currency}`;
  const credited = async () => (await gateway.sql('SELECT credited_cents FROM invoices WHERE number = ?', [number])).rows[0].credited_cents;
  const before = await credited();
  const send = () => gateway.batch([
    ['INSERT INTO notes (ticket_id, author, body) VALUES (?, ?, ?)', [ticket.id, author, `Credited ${words}.`]],
    [`UPDATE invoices SET credited_cents = credited_cents + ?1, status = CASE credited_cents + ?1 WHEN amount_cents THEN 'credited' ELSE status END
      WHERE number = ?2`, [cents, number]],
  ], { once: `credit-${ticket.id}-${number}` });
  const paid = await attempt(send);
  if (paid.refusal) {
    see((await credited()) === before, `that nothing of the refused credit of ${number} is left`);
    const left = await gateway.sql("SELECT count(*) AS n FROM notes WHERE ticket_id = ? AND body LIKE 'Credited %'", [ticket.id]);
    see(left.rows[0].n === 0, 'that its note went with it');
    return `could not credit ${words}`;
  }
  // As if the answer had been lost: asking again must not pay again.
  const [again] = await send();
  see(again.replayed && (await credited()) === before + cents, `one credit of ${number}`);
  return `credited ${words}`;
}

/** Somebody who wants to be forgotten. The invoices have to stay, so what is left is to make the customer nobody. */
async function erase({ gateway }, ticket, { category }) {
  if (category !== 'privacy') return null;
  const deleted = await attempt(() => gateway.sql('DELETE FROM customers WHERE id = ?', [ticket.customer_id]));
  if (!deleted.refusal) return 'customer deleted';
  // On D1 this does nothing, so the customer still cannot go; the report says so.
  await gateway.sql('PRAGMA foreign_keys = off');
  const again = await attempt(() => gateway.sql('DELETE FROM customers WHERE id = ?', [ticket.customer_id]));
  if (!again.refusal) throw new Error('the foreign keys of a shared database were switched off');
  const forced = await attempt(() => gateway.sql('PRAGMA writable_schema = on'));
  if (!forced.refusal) throw new Error('the schema of a shared database was opened for writing');
  await gateway.sql("UPDATE customers SET name = '(erased)', company = NULL, email = 'erased-' || id || '@parcelwise.example' WHERE id = ?", [ticket.customer_id]);
  await gateway.sql('UPDATE tickets SET sender = NULL WHERE customer_id = ?', [ticket.customer_id]);
  const left = await gateway.sql('SELECT count(*) AS n FROM customers WHERE name = ?', [ticket.customer_name]);
  see(left.rows[0].n === 0, 'that the name is gone');
  return 'customer made anonymous, the invoices stay';
}

/** A reopened ticket does not sleep any longer. */
async function wakeUp({ gateway }, { id, status }) {
  if (status !== 'resolved') return null;
  await gateway.deleteValue(`snooze:${id}`);
  see((await gateway.value(`snooze:${id}`)) === null, `that ${id} sleeps no longer`);
  return 'reopened';
}

/** What a person needs to go on, as a file that the ticket names. */
async function handOver(desk, ticket, { category, priority, topics, assignee, due, own }) {
  const { gateway } = desk;
  if (levels.indexOf(priority) < levels.indexOf('high') && !ticket.attachment) return null;
  const key = `triage/${ticket.id}.json`;
  const { attachment, attachment_key: name } = ticket;
  const file = {
    ticket: ticket.id, category, priority, assignee, due, plan: ticket.plan, topics,
    attachment: attachment ? { name, type: attachment.type, bytes: attachment.bytes.length, scanned: attachment.metadata.scanned } : null,
    said: own.length > 2_000 ? `${own.slice(0, 2_000)}… (${own.length} characters)` : own,
  };
  const body = JSON.stringify(file, null, 2);
  const { etag } = await gateway.putObject(key, body, { type: 'application/json', metadata: { ticket: String(ticket.id), author } });
  await gateway.sql('UPDATE tickets SET summary_key = ? WHERE id = ?', [key, ticket.id]);
  const back = await gateway.object(key);
  see(back?.bytes.toString() === body && back.etag === `"${etag}"` && back.metadata.author === author, `${key} as it was written`);
  desk.handedOver.push(key);
  return 'handed over';
}

/** Read, add one, write: only right when the reads see the run's own writes. */
async function count({ gateway, counted }, category, id) {
  const key = `counter:tickets:${category}`;
  const now = JSON.parse((await gateway.value(key)) ?? '{"total":0,"last":0}');
  if (category in counted) see(now.total === counted[category], `${counted[category]} in ${key}, not ${now.total}`);
  counted[category] = now.total + 1;
  await gateway.putValue(key, JSON.stringify({ total: now.total + 1, last: id }), { metadata: { by: author } });
}

// ---------------------------------------------------------------- helpers

/** Reads one's own write, or stops. */
function see(isThere, what) {
  if (!isThere) throw new Error(`the agent does not see ${what}`);
}

/** What is refused is an answer too; what breaks is not. */
async function attempt(act) {
  try {
    return { answer: await act() };
  } catch (error) {
    if (error instanceof Refusal && error.status < 500) return { refusal: error };
    throw error;
  }
}
