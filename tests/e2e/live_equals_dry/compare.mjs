// What of an answer has to be the same, live and dry.

import { createHash } from 'node:crypto';

// What a store measures itself, or makes up for each write.
const measured = new Set(['duration', 'size_after', 'rows_read', 'rows_written', 'changed_db', 'dry_run', 'timings', 'total_attempts', 'served_by', 'served_by_region', 'served_by_primary', 'served_by_colo']);
// The simulator stores every class as Standard.
const ofTheMoment = new Set(['version', 'uploaded', 'last_modified', 'storage_class']);
const ofTheConnection = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding', 'dry-run', 'run-id', 'operation']);

/** An answer without what may differ. `sql`: the statements that it answers, if it does. */
export function comparable(answer, sql = []) {
  const isEnvelope = typeof answer.json?.success === 'boolean';
  const headers = [...answer.headers].filter(([name]) => !ofTheConnection.has(name) && !(isEnvelope && name === 'content-length'));
  return {
    status: answer.status,
    headers: Object.fromEntries(headers.map(([name, value]) => [name, name === 'last-modified' ? 'a time' : value])),
    body: isEnvelope ? envelope(answer.json, sql) : content(answer.bytes),
  };
}

function envelope({ messages, result, ...rest }, sql) {
  const { cursor, ...info } = rest.result_info ?? {};
  const told = Array.isArray(result) && result.every((one) => one?.meta) ? result.map((one, index) => ofStatement(one, sql[index] ?? '')) : withoutMoments(result);
  return { ...rest, result: told, ...(rest.result_info ? { result_info: { ...info, more: cursor !== '' && cursor !== undefined } } : {}) };
}

// `last_row_id` belongs to the connection: it says something only when this very statement inserted.
function ofStatement({ meta, ...result }, sql) {
  const inserted = /^\s*(with\b.*)?(insert|replace)\b/is.test(sql) && meta.changes > 0;
  const kept = Object.entries(meta).filter(([name]) => !measured.has(name) && (inserted || name !== 'last_row_id'));
  return { ...result, meta: Object.fromEntries(kept) };
}

function withoutMoments(value) {
  if (Array.isArray(value)) return value.map(withoutMoments);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, ofTheMoment.has(name) && inner !== '' ? `a ${name}` : withoutMoments(inner)]));
}

function content(bytes) {
  if (bytes.length <= 4_096) return { text: bytes.toString('latin1') };
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
