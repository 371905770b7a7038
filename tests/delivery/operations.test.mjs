// docs/operations.md: every alert that the source can raise has its paragraph, and what it tells somebody to type can be typed.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { inProject, environment as variables, run, textOf } from './helpers.mjs';

const text = textOf('docs/operations.md');
const refusals = textOf('src/domain/refusal.rs');
const spelled = Object.fromEntries([...refusals.matchAll(/Self::(\w+) => "(\w+)"/g)].map(([, name, code]) => [name, code]));
/** The codes for which somebody is called, as the source has them. */
const guard = (() => {
  const [, list] = /pub fn blame\(self\) -> Blame \{\s*match self \{([\s\S]*?)=> Blame::Guard/.exec(refusals);
  return [...list.matchAll(/Self::(\w+)/g)].map(([, name]) => spelled[name]);
})();
const sections = Object.fromEntries(text.split(/^#{2,3} /m).slice(1).map((part) => [part.slice(0, part.indexOf('\n')).trim(), part.slice(part.indexOf('\n') + 1)]));
const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block);
const lines = blocks.flatMap((block) => block.split('\n')).map((line) => line.replace(/\s{2,}#.*$/, '').trim()).filter(Boolean);

describe('alerts', () => {
  test('the source was read', () => {
    assert.ok(guard.length >= 9 && guard.every(Boolean), guard.join(' '));
    assert.ok(guard.includes('flag_unavailable') && !guard.includes('sql_error'));
  });

  // The one code besides that somebody is called for: see finish() in src/http/mod.rs.
  const others = [...textOf('src/http/mod.rs').matchAll(/\(_, Code::(\w+)\) => Some\(Kind::AgentFailure\)/g)].map(([, name]) => spelled[name]);

  test('a caller is reported for these', () => assert.deepEqual(others, ['wrong_environment']));

  // And these are no codes of answers.
  const raised = [...textOf('src/cloudflare/alerts.rs').matchAll(/Kind::GuardFailure, None, "(\w+)"/g)].map(([, cause]) => cause);
  const [, hook] = /pub const KIND: &str = "(\w+)"/.exec(textOf('src/domain/hook_failure.rs'));
  test('a panic and a hook are reported', () => assert.deepEqual([...raised, hook], ['interrupted', 'hook_failure']));
  const causes = [...guard, ...others, ...raised, hook];

  test('every cause of a hook is in its table', () => {
    const [, list] = /const CAUSES: [^=]*= \[([^\]]*)\]/.exec(textOf('src/domain/hook_failure.rs'));
    const known = [...list.matchAll(/"(\w+)"/g)].map(([, cause]) => cause);
    const shown = sections[`\`${hook}\``].split('\n').flatMap((line) => [.../^\| (`.*?) \|/.exec(line)?.[1].matchAll(/`(\w+)`/g) ?? []].map(([, cause]) => cause));
    assert.deepEqual(shown.sort(), known.sort());
  });

  for (const code of causes) {
    test(`${code} has a paragraph that begins with the symptom and has a command`, () => {
      const section = sections[`\`${code}\``];
      assert.ok(section, 'a heading of its own');
      const places = ['**Symptom:**', '**Why:**', '```sh'].map((part) => section.indexOf(part));
      assert.ok(!places.includes(-1) && places[0] < places[1] && places[1] < places[2], places.join(' '));
      assert.ok(section.slice(places[0]).length > 300);
    });
  }

  test('no paragraph is about a code that does not exist', () => {
    const headings = Object.keys(sections).filter((heading) => /^`\w+`$/.test(heading)).map((heading) => heading.slice(1, -1));
    assert.deepEqual(headings.sort(), causes.sort());
  });

  test('codes and kinds in the text are those of the source', () => {
    const words = [...text.matchAll(/`(\w+_(?:unavailable|mismatch|unverified|exceeded|kept|failure|writes|environment))`/g)].map(([, word]) => word);
    const known = new Set([hook, ...Object.values(spelled), ...[...textOf('src/cloudflare/alerts.rs').matchAll(/=> "(\w+)"/g)].map(([, kind]) => kind)]);
    assert.ok(words.length > 20);
    assert.deepEqual(words.filter((word) => !known.has(word)), []);
  });

  test('events of the log are events that the source writes', () => {
    const source = ['src/cloudflare/alerts.rs', 'src/cloudflare/objects.rs', 'src/cloudflare/run_world.rs', 'src/http/mod.rs', 'src/entry.js'].map(textOf).join('\n');
    for (const [, event] of text.matchAll(/"event":"(\w+)"/g)) assert.match(source, new RegExp(`["']${event}["']`), event);
  });
});

describe('what is to be typed', () => {
  test('names scripts and targets that exist', () => {
    const targets = [...textOf('Makefile').matchAll(/^([a-z0-9-]+):/gm)].map(([, name]) => name);
    const made = [...lines, ...[...text.matchAll(/`(make [^`]+)`/g)].map(([, inline]) => inline)].flatMap((line) => /^make (.*)$/.exec(line)?.[1].split(' ') ?? []);
    assert.ok(made.length >= 3);
    for (const target of made) assert.ok(targets.includes(target), target);
    const scripts = [...text.matchAll(/scripts\/[\w/]+(?:\.mjs)?/g)].map(([script]) => script);
    assert.ok(scripts.length > 8);
    for (const script of scripts) assert.ok(existsSync(inProject(script)), script);
  });

  test('is shell', async () => {
    for (const block of blocks) {
      const { code, stderr } = await run('bash', ['-n'], { input: block.replaceAll('…', 'x') });
      assert.equal(code, 0, `${stderr}\n${block}`);
    }
  });

  test('is what wrangler understands', { timeout: 180_000 }, async () => {
    const typed = [...lines, ...[...text.matchAll(/`([^`\n]*wrangler [^`\n]*)`/g)].map(([, inline]) => inline)].flatMap((line) => [...line.matchAll(/\bwrangler ((?:[a-z0-9-]+ ?)+)(.*)$/g)]);
    const words = { rollback: 1, deploy: 1, tail: 1, whoami: 1, login: 1, kv: 3, d1: 2, secret: 2, deployments: 2, versions: 2, r2: 3 };
    const asked = new Map();
    for (const [, command, rest] of typed) {
      const parts = command.trim().split(' ');
      const name = parts.slice(0, parts[0] === 'd1' && ['migrations', 'time-travel'].includes(parts[1]) ? 3 : words[parts[0]] ?? assert.fail(command)).join(' ');
      const flags = [...`${command} ${rest}`.replaceAll(/"[^"]*"/g, '').matchAll(/--([a-z-]+)/g)].map(([, flag]) => flag);
      asked.set(name, new Set([...(asked.get(name) ?? []), ...flags]));
    }
    assert.ok(asked.size >= 8, [...asked.keys()].join(', '));
    for (const [name, flags] of asked) {
      const { code, stdout } = await run(inProject('node_modules/.bin/wrangler'), [...name.split(' '), '--help'], { env: { PATH: `${inProject('node_modules/.bin')}:${variables.PATH}` } });
      assert.equal(code, 0, name);
      // The help of an unknown command is that of the one above it.
      assert.ok(stdout.includes(`wrangler ${name}`), `wrangler ${name}`);
      for (const flag of flags) assert.match(stdout, new RegExp(`--${flag}\\b`), `wrangler ${name} --${flag}`);
    }
  });

  test('says the environment whenever it changes production', () => {
    const changing = lines.filter((line) => /^wrangler (deploy|rollback|d1 migrations apply|secret put|kv key (put|delete))\b/.test(line));
    assert.ok(changing.length >= 5);
    for (const line of changing) assert.match(line, /--env production/, line);
  });
});

test('every link inside leads to a heading', () => {
  const anchors = Object.keys(sections).map((heading) => heading.toLowerCase().replaceAll(/[^\w\- ]/g, '').replaceAll(' ', '-'));
  const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, link]) => link);
  assert.ok(links.length > 5);
  for (const link of links) assert.ok(anchors.includes(link), link);
});

test('settings and secrets in the text are those of the project', () => {
  const known = [textOf('tests/config/wrangler.toml'), textOf('README.md'), textOf('.github/workflows/deploy.yml'), textOf('.github/workflows/promote.yml'), textOf('scripts/delivery/checklist'), textOf('scripts/build'), textOf('cli/src/settings.rs')].join('\n');
  const names = new Set([...text.matchAll(/`([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)`/g)].map(([, name]) => name));
  assert.ok(names.size > 12);
  for (const name of names) assert.ok(known.includes(name), name);
});
