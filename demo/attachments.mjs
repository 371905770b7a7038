// The files that came with the messages, made here so that the repository needs no binaries.

import { crc32, deflateSync } from 'node:zlib';

/** [{ key, bytes, contentType, metadata }] */
export function attachments() {
  return [
    { key: 'attachments/1003/screenshot.png', bytes: labelPreview(), contentType: 'image/png', metadata: { ticket: '1003', scanned: 'clean', 'original-name': 'Screenshot 03.02 (2).png' } },
    { key: 'attachments/1009/importer.log', bytes: text(importerLog()), contentType: 'text/plain; charset=utf-8', metadata: { ticket: '1009', scanned: 'clean' } },
    { key: 'attachments/1010/offer.html', bytes: text('<h1>50 % off</h1><a href="http://rank-no1-fast.example/go">START</a>\n'), contentType: 'text/html', metadata: { ticket: '1010', scanned: 'suspicious' } },
    { key: 'attachments/1012/export.csv', bytes: text(taxExport), contentType: 'text/csv; charset=utf-8', metadata: { ticket: '1012', scanned: 'clean', rows: '6' } },
    { key: 'handbook/tone-of-voice.md', bytes: text('# How we write\n\nShort. Friendly. Say what happens next and when.\n'), contentType: 'text/markdown', metadata: {} },
  ];
}

/** What Dana pasted: more than 8 KB of an importer that stumbles over the same column again and again. */
export function importerLog() {
  const lines = ['2026-02-04 03:14:00.003 INFO  importer[4412] start feed=pinegrove-nightly rows=4127 attempt=3'];
  for (let row = 17; row < 4127; row += 53) {
    const at = `03:14:${(row * 0.014 + 0.3).toFixed(3).padStart(6, '0')}`;
    const weight = row % 3 === 0 ? `"${(row % 40) + 0.5} kg"` : `"${(row * 7) % 2000} g "`;
    lines.push(`2026-02-04 ${at} WARN  importer[4412] row=${row} order=PG-${100000 + row * 3} weight_g: expected integer, found ${weight}; row kept in quarantine`);
  }
  lines.push('2026-02-04 03:14:58.771 ERROR importer[4412] 78 rows in quarantine (limit 50): feed rolled back, exit 1');
  return lines.join('\n');
}

const taxExport = `\ufeffRechnung;Datum;Kunde;Netto;Brutto;USt
2026-001;02.01.2026;Müller & Söhne;100,00;119,00;19
2026-002;07.01.2026;"Café ""Zur Unruh""";84.03;97.47;16
2026-003;11.01.2026;Zeitgeist OHG;250,00;297,50;19
2026-004;19.01.2026;Ørsted Ure;1.200,00;1.392,00;16
2026-005;23.01.2026;;42.02;50.00;19
2026-006;30.01.2026;Ankerwerk AG;310,00;359,60;16
`;

/** A label of 60 by 84 pixels whose right edge is missing. */
function labelPreview() {
  const [width, height] = [60, 84];
  const rows = Array.from({ length: height }, (_, y) => {
    const pixels = Array.from({ length: width }, (_, x) => {
      const bar = y > 50 && y < 76 && x > 6 && (x * x) % 7 < 3;
      const line = y > 8 && y < 40 && y % 8 < 3 && x > 6 && x < 60 - (y % 16);
      return bar || line || x === 0 || y === 0 || y === height - 1 ? 0 : 255;
    });
    return Buffer.from([0, ...pixels]); // filter type 0, then one grey byte a pixel
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8); // 8 bits, greyscale, no interlacing
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.concat(rows))), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

function text(content) {
  return Buffer.from(content, 'utf8');
}
