// The package as its users get it: built, packed, installed offline in a folder of its own.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { projectFolder } from '../../e2e/harness/settings.mjs';

const source = path.join(projectFolder, 'clients/typescript');
const tools = path.join(projectFolder, 'node_modules');

/** { folder, files, typeCheck, bundle, remove }: the folder has the package in its node_modules. */
export function installPackage() {
  const folder = mkdtempSync(path.join(tmpdir(), 'dryrun-client-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    return { ...installIn(folder), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function installIn(folder) {
  const workshop = path.join(folder, 'workshop');
  const home = path.join(folder, 'home');
  cpSync(source, workshop, { recursive: true, filter: (file) => path.basename(file) !== 'dist' });
  mkdirSync(home);
  const run = (cwd, command, ...input) => execFileSync(command, input, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const npm = (cwd, ...input) => run(cwd, 'npm', ...input, '--offline', '--no-audit', '--no-fund', '--ignore-scripts', '--cache', path.join(folder, 'cache'));

  tsc(['--project', workshop]);
  const [{ filename, files }] = JSON.parse(npm(workshop, 'pack', '--json'));
  writeFileSync(path.join(home, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  npm(home, 'install', path.join(workshop, filename));
  mkdirSync(path.join(home, 'node_modules/@cloudflare'));
  symlinkSync(path.join(tools, '@cloudflare/workers-types'), path.join(home, 'node_modules/@cloudflare/workers-types'));

  return {
    folder: home,
    files: files.map((file) => file.path),
    manifest: JSON.parse(readFileSync(path.join(home, 'node_modules/dryrun-gateway/package.json'), 'utf8')),
    read: (file) => readFileSync(path.join(home, 'node_modules/dryrun-gateway', file), 'utf8'),
    /** Type-checks a text as a Worker's source under `strict`, libraries included. Answers what tsc says, '' when all is well. */
    typeCheck: (name, text) => {
      writeFileSync(path.join(home, name), text);
      const config = path.join(home, `${name}.json`);
      const compilerOptions = { strict: true, skipLibCheck: false, target: 'es2022', lib: ['es2022'], module: 'es2022', moduleResolution: 'bundler', types: ['@cloudflare/workers-types'], noEmit: true };
      writeFileSync(config, JSON.stringify({ compilerOptions, files: [name] }));
      return tsc(['--project', config], { fails: true });
    },
    /** A file of the tests as one module, with the installed package in it. */
    bundle: (file) => buildSync({ entryPoints: [file], nodePaths: [path.join(home, 'node_modules')], bundle: true, format: 'esm', target: 'es2022', write: false }).outputFiles[0].text,
  };
}

function tsc(input, { fails = false } = {}) {
  try {
    execFileSync(path.join(tools, '.bin/tsc'), input, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return '';
  } catch (error) {
    if (fails && error.status > 0) return error.stdout;
    throw new Error(`tsc: ${error.stdout}${error.stderr}`, { cause: error });
  }
}
