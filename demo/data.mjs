// What the support desk holds before the agent comes: the same at every start, so that a report can be compared with the last one.

import { readFileSync } from 'node:fs';
import { attachments } from './attachments.mjs';
import { tickets } from './tickets.mjs';

/** Fills empty stores. `db`, `cache` and `files` are direct bindings, see stores.mjs. Returns how much of what there is. */
export async function seed({ db, cache, files }) {
  await db.exec(readFileSync(new URL('schema.sql', import.meta.url), 'utf8'));
  const tables = { customers, tickets: tickets.map((ticket) => ({ ...ticket, updated_at: '2026-02-11T00:00:00Z' })), notes, tags, ticket_tags: ticketTags, invoices };
  for (const [table, rows] of Object.entries(tables)) {
    for (const row of rows) await insert(db, table, row);
  }
  for (const { key, value, ...options } of values) await cache.put(key, value, options);
  const objects = attachments();
  for (const { key, bytes, contentType, metadata } of objects) {
    await files.put(key, bytes, { httpMetadata: { contentType }, customMetadata: metadata });
  }
  return { rows: Object.values(tables).flat().length, tickets: tickets.length, keys: values.length, objects: objects.length };
}

async function insert(db, table, row) {
  const columns = Object.keys(row);
  await db.all(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`, Object.values(row));
}

const customers = [
  { id: 1, email: 'marta@nordlys-keramik.example', name: 'Marta Lindqvist', company: 'Nordlys Keramik', plan: 'business', locale: 'sv', since: '2021-04-09' },
  { id: 2, email: 'tom.okafor@brightbean.example', name: 'Tom Okafor', company: 'Bright Bean Coffee Roasters', plan: 'starter', locale: 'en', since: '2023-11-20' },
  { id: 3, email: 'yumi.sato@hanabi-toys.example', name: '佐藤 由美', company: '株式会社花火トイズ', plan: 'enterprise', locale: 'ja', since: '2020-06-01' },
  { id: 4, email: 'nikos@elaia-oil.example', name: 'Νίκος Παπαδάκης', company: 'Ελαία ΕΠΕ', plan: 'starter', locale: 'el', since: '2024-02-29' },
  { id: 5, email: 'layla.haddad@souq-noor.example', name: 'ليلى حداد', company: 'سوق نور', plan: 'business', locale: 'ar', since: '2022-09-14' },
  { id: 6, email: 'ananya.sharma@chai-ghar.example', name: 'अनन्या शर्मा', company: 'चाय घर', plan: 'starter', locale: 'hi', since: '2025-01-17' },
  { id: 7, email: 'gerald@whitcombe-books.example', name: 'Gerald Whitcombe', company: 'Whitcombe & Daughters, Books', plan: 'free', locale: 'en', since: '2019-08-30' },
  { id: 8, email: 'chloe.marchand@atelier-brume.example', name: 'Chloé Marchand', company: 'Atelier Brume', plan: 'business', locale: 'fr', since: '2024-10-03' },
  { id: 9, email: 'jens@fjordbikes.example', name: 'Jens Petersen', company: 'Fjord Bikes ApS', plan: 'starter', locale: 'da', since: '2018-03-12' },
  { id: 10, email: 'dana.whitlock@pinegrove.example', name: 'Dana Whitlock', company: 'Pine Grove Outfitters', plan: 'enterprise', locale: 'en', since: '2020-01-06' },
  { id: 11, email: 'ravi@looms-and-co.example', name: 'Ravi Menon', company: 'Looms & Co', plan: 'free', locale: 'en', since: '2025-12-24' },
  { id: 12, email: 'siobhan.orourke@peatandpine.example', name: "Siobhan O'Rourke", company: 'Peat & Pine', plan: 'business', locale: 'en', since: '2022-05-18' },
  { id: 13, email: 'mateus@casa-do-mate.example', name: 'Mateus Carvalho', company: 'Casa do Mate', plan: 'free', locale: 'pt', since: '2025-07-07' },
  { id: 14, email: 'ingrid.bauer@uhrwerk-bauer.example', name: 'Ingrid Bauer', company: 'Uhrwerk Bauer GmbH', plan: 'enterprise', locale: 'de', since: '2019-02-25' },
  { id: 15, email: 'tom@okafor-family.example', name: 'Tom O.', company: null, plan: 'free', locale: 'en', since: '2023-11-18' },
];

/** A terse table: customer, number, cents, credited, currency, status, issued, due, paid. */
const invoices = [
  [1, 'PW-2025-0981', 14900, 0, 'EUR', 'overdue', '2025-12-15', '2026-01-14', null],
  [1, 'PW-2026-0101', 14900, 0, 'EUR', 'open', '2026-01-15', '2026-02-14', null],
  [2, 'PW-2025-0907', 2900, 0, 'GBP', 'paid', '2025-12-02', '2025-12-16', '2025-12-03'],
  [2, 'PW-2026-0107', 2900, 0, 'GBP', 'paid', '2026-01-02', '2026-01-16', '2026-01-02'],
  [2, 'PW-2026-0108', 2900, 0, 'GBP', 'paid', '2026-01-02', '2026-01-16', '2026-01-02'],
  [3, 'PW-2026-0103', 18800000, 0, 'JPY', 'paid', '2026-01-05', '2026-02-28', '2026-01-30'],
  [4, 'PW-2026-0109', 2900, 0, 'EUR', 'paid', '2026-01-08', '2026-01-22', '2026-01-08'],
  [5, 'PW-2026-0115', 7000, 0, 'USD', 'paid', '2026-01-29', '2026-02-12', '2026-01-29'],
  [5, 'PW-2025-0833', 4900, 4900, 'USD', 'credited', '2025-11-20', '2025-12-04', '2025-11-20'],
  [6, 'PW-2026-0121', 79900, 0, 'INR', 'paid', '2026-02-01', '2026-02-15', '2026-02-01'],
  [8, 'PW-2026-0112', 4900, 2000, 'EUR', 'paid', '2026-01-12', '2026-01-26', '2026-01-12'],
  [9, 'PW-2026-0113', 2900, 2900, 'EUR', 'credited', '2026-01-13', '2026-01-27', '2026-01-13'],
  [9, 'PW-2026-0131', 2900, 0, 'EUR', 'overdue', '2026-01-13', '2026-01-27', null],
  [10, 'PW-2025-0990', 240000, 0, 'USD', 'paid', '2025-12-28', '2026-01-27', '2026-01-26'],
  [10, 'PW-2026-0120', 240000, 0, 'USD', 'open', '2026-01-28', '2026-02-27', null],
  [12, 'PW-2026-0118', 9900, 0, 'EUR', 'open', '2026-01-18', '2026-02-17', null],
  [14, 'PW-2026-0105', 89900, 0, 'EUR', 'disputed', '2026-01-06', '2026-02-05', null],
  [14, 'PW-2025-0944', 89900, 0, 'EUR', 'paid', '2025-12-06', '2026-01-05', '2026-01-04'],
].map(([customer_id, number, amount_cents, credited_cents, currency, status, issued_on, due_on, paid_on], index) => (
  { id: 501 + index, customer_id, number, amount_cents, credited_cents, currency, status, issued_on, due_on, paid_on }));

const notes = [
  { ticket_id: 1002, author: 'irene', body: 'Bank statement checked: payment of 149.00 EUR came in on 12 Jan, was booked on customer 11 by mistake.' },
  { ticket_id: 1006, author: 'lea', body: 'Ms Sato also called at 11:50. Twelve people are waiting.' },
  { ticket_id: 1009, author: 'sven', body: 'Importer 4.2 went out on 1 Feb. It no longer trims units from weight_g.' },
  { ticket_id: 1010, author: 'lea', body: 'Smells like spam. Left for triage.' },
  { ticket_id: 1010, author: 'sven', body: 'Same sender as last week.' },
  { ticket_id: 1015, author: 'irene', body: 'Closed: refund done.' },
  { ticket_id: 1025, author: 'lea', body: 'We do not own a wallet, do we?' },
  { ticket_id: 1027, author: 'sven', kind: 'draft', body: 'Bonjour Chloé, la couleur arrive en mars. – Sven' },
];

const tags = [
  { name: 'billing', uses: 41 },
  { name: 'log-in', uses: 12 },
  { name: 'printing', uses: 30 },
  { name: 'fax', uses: 1 },
  { name: 'vip', uses: 5 },
  { name: 'spam', uses: 0 },
];

const ticketTags = [
  { ticket_id: 1005, tag: 'log-in' },
  { ticket_id: 1009, tag: 'vip' },
  { ticket_id: 1010, tag: 'spam' },
  { ticket_id: 1015, tag: 'billing' },
  { ticket_id: 1027, tag: 'printing' },
];

const json = (key, value, options = {}) => ({ key, value: JSON.stringify(value), ...options });
// Far away, so that nothing ends between two digests.
const in2035 = { expiration: Date.UTC(2035, 0, 1) / 1000 };

/** How the agent tells one concern from another. A word counts as much as its number says. */
const routing = [
  { category: 'billing', team: 'Finance', assignee: 'irene', slaHours: 24, priority: 'normal',
    keywords: { invoice: 1, charged: 2, payment: 2, reminder: 2, 'late fee': 2, unpaid: 2, 請求書: 2, τιμολόγιο: 2, facture: 1, الفاتورة: 1 } },
  { category: 'export', team: 'Data', assignee: 'amir', slaHours: 24, priority: 'normal', keywords: { export: 2, csv: 2, 'spalte': 1, umsatzsteuer: 2 } },
  { category: 'import', team: 'Data', assignee: 'amir', slaHours: 8, priority: 'high', keywords: { 'import ': 3, importer: 2, quarantine: 2, 'weight_g': 2 } },
  { category: 'login', team: 'Accounts', assignee: 'hana', slaHours: 8, priority: 'high',
    keywords: { 'log in': 2, login: 2, password: 2, sso: 2, saml: 2, ログイン: 3, senha: 3, 'entrar na conta': 2 } },
  { category: 'printing', team: 'Product', assignee: 'sven', slaHours: 48, priority: 'normal', keywords: { label: 2, 'print ': 1, prints: 1, zebra: 1, barcode: 1, étiquette: 1 } },
  { category: 'privacy', team: 'Legal', assignee: 'noor', slaHours: 72, priority: 'high', keywords: { gdpr: 3, erasure: 3, 'personal data': 2, 'article 17': 2 } },
  { category: 'refund', team: 'Finance', assignee: 'irene', slaHours: 24, priority: 'normal',
    keywords: { refund: 3, 'charged us twice': 3, 'give one back': 3, remboursement: 3, remboursé: 2, استرداد: 3, रिफंड: 3 } },
  { category: 'sales', team: 'Sales', assignee: 'piet', slaHours: 24, priority: 'normal', keywords: { quote: 3, 'price per': 2 } },
  { category: 'shipping', team: 'Couriers', assignee: 'mei', slaHours: 24, priority: 'normal', keywords: { 'ship to': 3, customs: 2, courier: 3, 'parcels are standing': 1 } },
  { category: 'spam', team: '-', assignee: '-', slaHours: 0, priority: 'low',
    keywords: { seo: 2, backlinks: 3, casino: 2, crypto: 3, 'seed words': 3, unsubscribe: 1, 'only today': 2, congratulation: 1 } },
  { category: 'tracking', team: 'Couriers', assignee: 'mei', slaHours: 24, priority: 'normal', keywords: { tracking: 3, 'my parcel': 2, 'parcel unknown': 2, postnord: 1 } },
  { category: 'webhooks', team: 'Platform', assignee: 'olek', slaHours: 8, priority: 'high', keywords: { webhook: 3, 'κλειδί api': 2, 'api key': 2, 401: 1 } },
];

/** Acknowledgements by language; there is none in Danish yet. */
const replies = {
  en: 'Hello {name}, thank you for writing. Your message is now with {team} and you hear from us by {due}.',
  ar: 'مرحبا {name}، شكرا لرسالتك. رسالتك الآن لدى فريق {team} وسنرد عليك قبل {due}.',
  de: 'Guten Tag {name}, danke für Ihre Nachricht. Sie liegt jetzt bei {team}; Sie hören bis {due} von uns.',
  el: 'Γεια σας {name}, ευχαριστούμε για το μήνυμα. Το έχει πλέον η ομάδα {team} και θα σας απαντήσουμε έως {due}.',
  fr: 'Bonjour {name}, merci pour votre message. Il est entre les mains de {team} ; vous aurez une réponse avant le {due}.',
  hi: 'नमस्ते {name}, आपके संदेश के लिए धन्यवाद। यह अब {team} टीम के पास है और आपको {due} तक उत्तर मिलेगा।',
  ja: '{name} 様、ご連絡ありがとうございます。{team} が担当し、{due} までにご連絡いたします。',
  pt: 'Olá {name}, obrigado pela mensagem. Está agora com {team} e você terá resposta até {due}.',
  sv: 'Hej {name}, tack för ditt meddelande. Det ligger nu hos {team} och du hör av oss senast {due}.',
};

const values = [
  ...routing.map((rule) => json(`routing:${rule.category}`, rule, { metadata: { team: rule.team, reviewed: '2026-01-20' } })),
  ...Object.entries(replies).map(([locale, value]) => ({ key: `reply:${locale}`, value, metadata: { locale, version: 3 } })),
  json('config:triage', { spamAt: 5, topicAt: 2, creditLimitCents: { EUR: 5000, GBP: 5000, USD: 5000 }, planRaises: { enterprise: 1 } }),
  json('counter:tickets:billing', { total: 412, last: 996 }, { metadata: { since: '2019-01-01' } }),
  json('counter:tickets:login', { total: 188, last: 987 }, { metadata: { since: '2019-01-01' } }),
  json('counter:tickets:printing', { total: 731, last: 999 }, { metadata: { since: '2019-01-01' } }),
  json('counter:tickets:refund', { total: 95, last: 990 }),
  json('counter:tickets:spam', { total: 2204, last: 1000 }),
  json('counter:tickets:tracking', { total: 340, last: 998 }),
  json('snooze:1015', { until: '2026-02-20', by: 'irene' }, in2035),
  json('cache:rates:eur', { usd: 1.0842, gbp: 0.8391, jpy: 171.03 }, { ...in2035, metadata: { source: 'manual' } }),
  { key: 'banner:dashboard', value: '<p>Importer 4.2 is live 🎉</p>' },
  { key: 'asset:stamp', value: Uint8Array.from([0, 255, 128, 10, 13, 0]) },
];
