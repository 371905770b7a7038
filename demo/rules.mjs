// How the scripted agent reads a message. A model would do this better; a demo has to do the same every time.

/** Splits a message into what its writer wrote, what was quoted or forwarded, and the addresses that it was forwarded from. */
export function readBody(body) {
  const lines = body.split('\n');
  const quote = /^\s*>|^On .+ wrote:$|^-{5,} Forwarded message|^(From|Från|Date|Skickat|Subject): /;
  const signature = lines.findIndex((line) => /^(-- |━{5,}|CONFIDENTIALITY NOTICE)/.test(line));
  const written = (signature === -1 ? lines : lines.slice(0, signature)).filter((line) => !quote.test(line));
  const forwarded = lines.filter((line) => /^From: /.test(line)).map((line) => readSender(line.slice(6)).email);
  return {
    own: written.join('\n').replace(/[\s\u200b]+/g, ' ').trim(),
    quoted: lines.filter((line) => quote.test(line)).length,
    forwardedFrom: forwarded.filter(Boolean),
  };
}

/** `Name <address>`, an address, or only something like a name. */
export function readSender(sender) {
  const [, name, email] = /^(?:"?([^"<]*?)"?\s*<)?([^\s<>]+@[^\s<>]+)>?$/.exec(sender?.trim() ?? '') ?? [];
  return { name: name || null, email: email ?? null };
}

/** Topics by descending score: { category, score }. A word in the subject counts twice. */
export function topicsOf(ticket, own, rules) {
  const [subject, text] = [ticket.subject ?? '', own].map((part) => ` ${part.toLowerCase()} `);
  const scores = rules.map(({ category, keywords }) => {
    const score = Object.entries(keywords).reduce((sum, [word, weight]) => {
      return sum + (subject.includes(word) ? 2 * weight : 0) + (text.includes(word) ? weight : 0);
    }, 0);
    return { category, score };
  });
  return scores.filter(({ score }) => score > 0).sort((left, right) => right.score - left.score || (left.category < right.category ? -1 : 1));
}

export function isUrgent(ticket, own) {
  return /urgent|至急|dringend|call me back|sans réponse sous/i.test(`${ticket.subject ?? ''} ${own}`);
}

/** Numbers of invoices and of earlier tickets that are mentioned. */
export function mentions(ticket, own) {
  const text = `${ticket.subject ?? ''} ${own}`;
  const unique = (pattern) => [...new Set([...text.matchAll(pattern)].map(([, found]) => found))];
  return { invoices: unique(/\b(PW-\d{4}-\d{4})\b/g), tickets: unique(/#(\d{3,5})\b/g).map(Number) };
}

/** The last amount of money in a text, in cents, or null. */
export function amountIn(own) {
  const amounts = [...own.matchAll(/(\d+)[.,](\d\d) (EUR|GBP|USD)\b/g)];
  const [, whole, cents, currency] = amounts.at(-1) ?? [];
  return currency ? { cents: Number(whole) * 100 + Number(cents), currency } : null;
}

/** The plan that somebody says to have or to want. */
export function planNamed(own) {
  return /\bon your (\w+) plan\b/i.exec(own)?.[1].toLowerCase() ?? /\byour (business|starter|enterprise) plan\b/i.exec(own)?.[1].toLowerCase() ?? 'free';
}

const months = [
  ['jan', '1月'], ['feb', 'fév', 'fev', 'فبراير', '2月'], ['mar', 'mär', '3月'], ['apr', 'avr', '4月'], ['may', 'mai', '5月'], ['jun', 'juin', '6月'],
  ['jul', 'juil', '7月'], ['aug', 'août', '8月'], ['sep', '9月'], ['oct', 'okt', '10月'], ['nov', '11月'], ['dec', 'dez', 'déc', '12月'],
];

/** When a message came, as a Date, or null when nobody could say. Day before month: the desk is in Europe. */
export function readTime(text) {
  if (!text) return null;
  const plain = text.replace(/[٠-٩]/g, (digit) => String(digit.charCodeAt(0) - 0x660)).toLowerCase();
  if (/^\d{10}$/.test(plain)) return new Date(Number(plain) * 1000);
  if (/^\d{4}-\d\d-\d\dt.+(z|[+-]\d\d:\d\d)$/.test(plain)) return valid(new Date(text));
  const [, clock, minute = 0, afternoon] = /(\d{1,2}):(\d\d)(pm)?/.exec(plain) ?? [, 9];
  const hour = Number(clock) + (afternoon ? 12 : 0);
  const [, offsetSign, offsetHours] = /\d\d:\d\d(?::\d\d)? ([+-])(\d\d)00/.exec(plain) ?? [];
  const shift = offsetSign ? Number(`${offsetSign}${offsetHours}`) : 0;
  const at = (year, month, day) => valid(new Date(Date.UTC(year < 100 ? 2000 + year : year, month - 1, day, hour - shift, Number(minute))));
  const numbers = (pattern) => pattern.exec(plain)?.slice(1).map(Number);
  const yearFirst = numbers(/(\d{4})[-/年](\d{1,2})[-/月](\d{1,2})/);
  if (yearFirst) return at(...yearFirst);
  const dayFirst = numbers(/(\d{1,2})[./-](\d{1,2})[./-](\d{2,4})/);
  if (dayFirst) return at(...dayFirst.reverse());
  const [, day, name, year] = /(\d{1,2})\.? ([^\d\s.,]+)\.? (\d{4})/.exec(plain) ?? [];
  const month = months.findIndex((names) => names.some((start) => name?.startsWith(start)));
  return month === -1 ? null : at(Number(year), month + 1, Number(day));
}

function valid(date) {
  return Number.isNaN(date.getTime()) ? null : date;
}
