// Walks a workflow on this machine: its conditions, its steps as they stand, in a shell, with the variables that they get and no other. A checkout is one
// of a local repository; programs of `instead` are called in place of those that would take too long or belong to others.

import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { History, environment, inProject, newFolder, run, textOf } from './helpers.mjs';

/** What an expression of GitHub's says: names, texts, comparisons, always(). Anything else is not understood. */
export function evaluate(expression, context) {
  const words = expression.match(/'[^']*'|[A-Za-z_][\w.-]*(?:\(\))?|==|!=|&&|\|\||[()]|\S/g) ?? [];
  const script = words.map((word) => {
    if (word.startsWith("'")) return JSON.stringify(word.slice(1, -1));
    if (word === 'always()') return 'true';
    if (/^[A-Za-z_][\w.-]*$/.test(word)) return JSON.stringify(String(word.split('.').reduce((value, name) => value?.[name], context) ?? ''));
    if (word === '==' || word === '!=') return `${word}=`;
    if (word === '&&' || word === '||' || word === '(' || word === ')') return word;
    throw new Error(`not understood: ${expression}`);
  });
  return new Function(`return ${script.join(' ')}`)();
}

const filled = (text, context) => String(text).replaceAll(/\$\{\{(.*?)\}\}/g, (_, inner) => evaluate(inner, context));
const bare = (condition) => String(condition).trim().replace(/^\$\{\{(.*)\}\}$/s, '$1');

export class Walk {
  /**
   * @param origin   the History that is checked out
   * @param context  github, inputs, …: what expressions see
   * @param secrets  and variables by environment: { staging: { CLOUDFLARE_API_TOKEN } }
   * @param instead  shell scripts by name of program
   * @param env      variables that every step has
   */
  constructor({ origin, context, secrets = {}, variables = {}, instead = {}, env = {} }) {
    Object.assign(this, { origin, context, secrets, variables, env, folder: newFolder('walk'), page: '', log: '', results: {} });
    this.bin = path.join(this.folder, 'bin');
    mkdirSync(this.bin);
    for (const [name, text] of Object.entries(instead)) {
      writeFileSync(path.join(this.bin, name), `#!/bin/bash\n${text}\n`);
      chmodSync(path.join(this.bin, name), 0o755);
    }
  }

  /** Walks all jobs. Answers how each ended: success, failure or skipped. */
  async workflow(file) {
    const { jobs } = parse(textOf(`.github/workflows/${file}`));
    const needs = {};
    for (const [name, job] of Object.entries(jobs)) {
      const before = [job.needs ?? []].flat();
      const context = { ...this.context, needs: Object.fromEntries(before.map((one) => [one, needs[one]])), vars: this.variables[job.environment] ?? {}, secrets: this.secrets[job.environment] ?? {} };
      const goes = before.every((one) => needs[one].result === 'success') && (job.if === undefined || evaluate(bare(job.if), context));
      needs[name] = goes ? await this.job(name, job, context) : { result: 'skipped', outputs: {} };
      this.results[name] = needs[name].result;
    }
    return this.results;
  }

  async job(name, job, outer) {
    const workspace = path.join(this.folder, name);
    mkdirSync(workspace);
    const context = { ...outer, steps: {}, job: { status: 'success' } };
    for (const step of job.steps) {
      const condition = step.if === undefined ? true : evaluate(bare(step.if), context);
      if (!condition || (context.job.status !== 'success' && !/always\(\)/.test(step.if ?? ''))) continue;
      const { code, outputs } = step.uses ? this.use(step, workspace, context) : await this.shell(step, workspace, context);
      if (step.id) context.steps[step.id] = { outputs, outcome: code === 0 ? 'success' : 'failure' };
      if (code !== 0) context.job.status = 'failure';
    }
    return { result: context.job.status, outputs: Object.fromEntries(Object.entries(job.outputs ?? {}).map(([key, value]) => [key, filled(value, context)])) };
  }

  use(step, workspace, context) {
    if (!step.uses.startsWith('actions/checkout@')) throw new Error(`not known here: ${step.uses}`);
    const { ref = this.context.github.sha, 'fetch-depth': depth = 1, path: place = '.' } = step.with;
    const clone = new History(path.join(workspace, place));
    mkdirSync(clone.folder, { recursive: true });
    clone.git('init', '-q', '-b', 'main');
    clone.git('fetch', '-q', ...(depth === 0 ? [] : ['--depth', String(depth)]), `file://${this.origin.folder}`, filled(ref, context));
    clone.git('checkout', '-q', '--detach', 'FETCH_HEAD');
    // What setting up would fetch.
    if (place === '.') symlinkSync(inProject('node_modules'), path.join(workspace, 'node_modules'));
    return { code: 0, outputs: {} };
  }

  async shell(step, workspace, context) {
    const files = { GITHUB_OUTPUT: path.join(this.folder, 'output'), GITHUB_STEP_SUMMARY: path.join(this.folder, 'page') };
    for (const file of Object.values(files)) writeFileSync(file, '');
    const own = Object.fromEntries(Object.entries(step.env ?? {}).map(([name, value]) => [name, filled(value, context)]));
    const { code, said } = await run('bash', ['--noprofile', '--norc', '-e', '-c', step.run], {
      cwd: workspace, env: { ...this.env, ...files, PATH: `${this.bin}:${inProject('node_modules/.bin')}:${environment.PATH}`, CI: 'true', ...own },
    });
    this.log += `--- ${step.name ?? step.run}: ${code}\n${said}\n`;
    this.page += readFileSync(files.GITHUB_STEP_SUMMARY, 'utf8');
    const lines = readFileSync(files.GITHUB_OUTPUT, 'utf8').split('\n').filter(Boolean);
    return { code, outputs: Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])) };
  }

  remove() {
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true, force: true });
  }
}
