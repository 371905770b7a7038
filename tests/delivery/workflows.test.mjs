// The gates of the workflows, read from the files themselves: who may start what, with which rights, and what a secret is in reach of.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { inProject, textOf } from './helpers.mjs';

const folder = '.github/workflows';
const files = readdirSync(inProject(folder)).sort();
const workflows = Object.fromEntries(files.map((name) => [name, parse(textOf(`${folder}/${name}`))]));
const jobsOf = (workflow) => Object.entries(workflow.jobs);
const everyJob = files.flatMap((file) => jobsOf(workflows[file]).map(([name, job]) => ({ file, name, job, at: `${file}: ${name}` })));
const everyStep = everyJob.flatMap(({ file, job, at }) => job.steps.map((step) => ({ file, job, step, at: `${at}: ${step.name ?? step.uses ?? step.run}` })));
const environmentOf = (job) => (typeof job.environment === 'object' ? job.environment.name : job.environment);
const text = (value) => JSON.stringify(value ?? '');
/** The expressions in a value, without their braces. */
const expressions = (value) => [...text(value).matchAll(/\$\{\{(.*?)\}\}/g)].map(([, inner]) => inner.trim());

test('there are these workflows and no other', () => assert.deepEqual(files, ['ci.yml', 'deploy.yml', 'promote.yml']));

describe('the way to production', () => {
  const { jobs, on } = workflows['promote.yml'];

  test('is begun by a person and by nothing else', () => {
    assert.deepEqual(Object.keys(on), ['workflow_dispatch']);
    for (const file of files.filter((name) => name !== 'promote.yml')) assert.doesNotMatch(text(workflows[file].on), /workflow_dispatch|repository_dispatch|workflow_call|schedule|issue/, file);
  });

  test('is only in this workflow: no other one names production', () => {
    for (const file of files.filter((name) => name !== 'promote.yml')) {
      const said = jobsOf(workflows[file]).map(([, job]) => text(job)).join('\n');
      assert.doesNotMatch(said, /production|CLOUDFLARE_ENV/i, file);
    }
  });

  test('waits for the reviewers of the environment production, which only its last job has', () => {
    const inProduction = everyJob.filter(({ job }) => environmentOf(job) === 'production');
    assert.deepEqual(inProduction.map(({ at }) => at), ['promote.yml: production']);
    assert.deepEqual([...jobs.production.needs].sort(), ['check', 'rehearse']);
    assert.equal(jobs.rehearse.needs, 'check');
    // A condition of its own would let the job go on although one before it was refused.
    for (const name of ['rehearse', 'production']) assert.equal(jobs[name].if, undefined, name);
  });

  test('begins on main only, with the refusals first', () => {
    assert.equal(jobs.check.if, "github.ref == 'refs/heads/main'");
    const ran = jobs.check.steps.map(({ run }) => run ?? '').join('\n');
    assert.match(ran, /promotable\.mjs "\$COMMIT"[\s\S]*gate\.mjs production[\s\S]*config_diff\.mjs/);
  });

  test('shows configuration, migrations, rehearsal and drift before a person is asked', () => {
    const shown = [jobs.check, jobs.rehearse].flatMap(({ steps }) => steps).map(({ run }) => run ?? '').join('\n');
    for (const what of ['summary.mjs "Configuration"', 'summary.mjs "Setting up"', 'summary.mjs "Migrations"', 'rehearse.mjs target/release/dryrun', 'summary.mjs "Drift of the schemas"']) assert.ok(shown.includes(what), what);
    for (const command of ['scripts/check_config --deploy production', 'dryrun drift --from staging --to production']) assert.ok(shown.includes(command), command);
  });

  test('asks once more, migrates, deploys, smokes and records, in this order', () => {
    const order = ['promotable.mjs', 'make build', 'records.mjs begin production', 'versions.mjs remember', 'migrations.mjs', 'd1 migrations apply CONTROL --remote --env production', 'wrangler deploy --env production', 'dryrun smoke', 'records.mjs end', 'versions.mjs tell'];
    const places = order.map((what) => jobs.production.steps.findIndex(({ run }) => run?.includes(what)));
    assert.deepEqual(places, [...places].sort((one, other) => one - other));
    assert.ok(!places.includes(-1), places.join(' '));
  });

  test('is walked with the commit that was checked, by every job', () => {
    for (const name of ['rehearse', 'production']) {
      const [checkout] = jobs[name].steps;
      assert.equal(checkout.with.ref, '${{ needs.check.outputs.commit }}', name);
    }
    assert.equal(jobs.check.outputs.commit, '${{ steps.promotable.outputs.commit }}');
  });

  test('a job before the gate writes nothing: its token may read, and no command of its writes', () => {
    for (const name of ['check', 'rehearse']) {
      const { steps, permissions } = jobs[name];
      assert.ok(Object.values(permissions).every((right) => right === 'read'), name);
      assert.doesNotMatch(text(steps), /wrangler deploy|migrations apply|secrets\.CLOUDFLARE_API_TOKEN|records\.mjs (begin|end)|wrangler secret|rollback/, name);
    }
  });
});

describe('the way to staging', () => {
  const { on, jobs } = workflows['deploy.yml'];

  test('follows the verification of main, and only when it succeeded, for a push to this repository', () => {
    assert.deepEqual(on, { workflow_run: { workflows: [workflows['ci.yml'].name], types: ['completed'], branches: ['main'] } });
    const conditions = jobs.decide.if.split('&&').map((condition) => condition.trim());
    assert.deepEqual(conditions, [
      "github.event.workflow_run.conclusion == 'success'", "github.event.workflow_run.event == 'push'", "github.event.workflow_run.head_branch == 'main'",
      'github.event.workflow_run.head_repository.full_name == github.repository',
    ]);
  });

  test('is that of the commit that was verified, not of the newest', () => {
    const verified = '${{ github.event.workflow_run.head_sha }}';
    for (const name of ['decide', 'staging']) assert.equal(jobs[name].steps[0].with.ref, verified, name);
    const commits = everyStep.filter(({ file, step }) => file === 'deploy.yml' && step.env?.COMMIT).map(({ step }) => step.env.COMMIT);
    assert.ok(commits.length > 0 && commits.every((commit) => commit === verified));
    assert.doesNotMatch(textOf(`${folder}/deploy.yml`), /github\.sha\b/);
  });

  test('begins on main: what is not in its history is refused before any of it runs', () => {
    const { steps } = jobs.decide;
    const at = steps.findIndex(({ run }) => run === 'git -C .main merge-base --is-ancestor "$COMMIT" HEAD');
    assert.ok(at > 0);
    assert.deepEqual([steps[at - 1].with.ref, steps[at - 1].with.path, steps[at - 1].with['fetch-depth']], ['refs/heads/main', '.main', 0]);
    assert.ok(steps.slice(0, at).every(({ run }) => run === undefined));
  });

  test('looks at the commit before, and is gone only when something changed', () => {
    assert.equal(jobs.decide.steps[0].with['fetch-depth'], 2);
    assert.equal(jobs.staging.needs, 'decide');
    assert.equal(jobs.staging.if, "needs.decide.outputs.deploy == 'true'");
    assert.equal(environmentOf(jobs.staging), 'staging');
  });

  test('migrates first, deploys the top level, then smokes, then records', () => {
    const order = ['records.mjs running staging', 'exit 1', 'make build', 'check_config --deploy staging', 'applied --remote', 'migrations.mjs', 'records.mjs begin staging', 'd1 migrations apply CONTROL --remote', 'wrangler deploy --message', 'dryrun smoke', 'records.mjs end'];
    const places = order.map((what) => jobs.staging.steps.findIndex(({ run }) => run?.includes(what)));
    assert.deepEqual(places, [...places].sort((one, other) => one - other));
    assert.ok(!places.includes(-1), places.join(' '));
  });
});

describe('rights', () => {
  test('a workflow has none, and each job says which it needs', () => {
    for (const file of files) assert.deepEqual(workflows[file].permissions, {}, file);
    const needed = {
      'ci.yml: verify': { contents: 'read' },
      'deploy.yml: decide': { contents: 'read', deployments: 'read' },
      'deploy.yml: staging': { contents: 'read', deployments: 'write' },
      'promote.yml: check': { actions: 'read', contents: 'read', deployments: 'read' },
      'promote.yml: rehearse': { contents: 'read' },
      'promote.yml: production': { actions: 'read', contents: 'read', deployments: 'write' },
    };
    assert.deepEqual(Object.fromEntries(everyJob.map(({ at, job }) => [at, job.permissions])), needed);
  });

  test('nothing runs with the rights of the base for code of a fork', () => {
    for (const file of files) assert.doesNotMatch(textOf(`${folder}/${file}`), /pull_request_target/, file);
  });

  test('a checkout leaves no credential behind', () => {
    const checkouts = everyStep.filter(({ step }) => step.uses?.startsWith('actions/checkout@'));
    assert.ok(checkouts.length >= 7);
    for (const { step, at } of checkouts) assert.equal(step.with?.['persist-credentials'], false, at);
  });

  test('what others wrote is pinned by its commit, with its version beside it', () => {
    const used = files.flatMap((file) => [...textOf(`${folder}/${file}`).matchAll(/^\s*(?:- )?uses: (.*)$/gm)].map(([, use]) => use));
    assert.equal(used.length, everyStep.filter(({ step }) => step.uses).length);
    for (const use of used) assert.match(use, /^actions\/(checkout|cache)@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    // One version of each: two would be one that somebody forgot.
    assert.equal(new Set(used).size, 2);
  });

  test('every job ends, and on a machine that GitHub makes for it', () => {
    for (const { job, at } of everyJob) {
      assert.ok(job['timeout-minutes'] <= 60, at);
      assert.equal(job['runs-on'], 'ubuntu-latest', at);
    }
  });
});

describe('secrets', () => {
  const allowed = {
    'deploy.yml': { environment: 'staging', secrets: ['CLOUDFLARE_API_TOKEN', 'SMOKE_KEY'] },
    'promote.yml: production-preview': { environment: 'production-preview', secrets: ['PRODUCTION_KEY', 'PRODUCTION_READ_TOKEN', 'STAGING_KEY', 'STAGING_READ_TOKEN'] },
    'promote.yml: production': { environment: 'production', secrets: ['CLOUDFLARE_API_TOKEN', 'SMOKE_KEY'] },
  };

  test('are those of an environment, and each job uses its own', () => {
    const used = {};
    for (const { file, job, step } of everyStep) {
      for (const [, name] of text(step).matchAll(/secrets\.(\w+)/g)) ((used[`${file}${file === 'promote.yml' ? `: ${environmentOf(job)}` : ''}`] ??= {})[name] ??= []).push(environmentOf(job));
    }
    for (const [place, { environment, secrets }] of Object.entries(allowed)) {
      assert.deepEqual(Object.keys(used[place] ?? {}).sort(), secrets, place);
      assert.ok(Object.values(used[place]).flat().every((name) => name === environment), place);
    }
    assert.deepEqual(Object.keys(used).sort(), Object.keys(allowed).sort());
  });

  test('are in reach of single steps, which get them as variables and run no build', () => {
    for (const { job, at } of everyJob) assert.doesNotMatch(text(job.env) + text(job.steps.map(({ with: inputs, run, uses }) => [inputs, run, uses])), /secrets\./, at);
    for (const file of files) assert.doesNotMatch(text(workflows[file].env), /secrets\./, file);
    for (const { step, at } of everyStep.filter(({ step }) => /secrets\./.test(text(step.env)))) {
      assert.doesNotMatch(step.run, /\b(make|cargo|npm|rustup|scripts\/(setup|build))\b/, at);
      assert.match(step.run, /scripts\/delivery\/|node_modules\/\.bin\/wrangler|target\/release\/dryrun/, at);
    }
  });

  test('the token of the workflow goes only to scripts that ask GitHub', () => {
    const given = everyStep.filter(({ step }) => /github\.token|GITHUB_TOKEN/.test(text(step)));
    assert.ok(given.length >= 6);
    for (const { step, at } of given) {
      assert.deepEqual([step.env.GITHUB_TOKEN, /^node scripts\/delivery\/(records|promotable|gate)\.mjs [^|;&]*$/.test(step.run)], ['${{ github.token }}', true], at);
    }
  });
});

describe('text from outside', () => {
  test('is never part of a command: no expression stands in one', () => {
    for (const { step, at } of everyStep.filter(({ step }) => step.run)) assert.deepEqual(expressions(step.run), [], at);
  });

  test('comes to a step as a variable of these kinds only', () => {
    const known = [
      /^github\.event\.workflow_run\.head_sha$/, /^github\.(token|ref)$/, /^inputs\.commit$/, /^vars\.[A-Z_]+$/, /^secrets\.[A-Z_]+$/, /^job\.status$/,
      /^needs\.(check|decide)\.outputs\.(commit|running)$/, /^steps\.(promotable|record|records|changed)\.outputs\.\w+$/,
    ];
    for (const { step, at } of everyStep) {
      for (const inner of expressions(step.env)) assert.ok(known.some((pattern) => pattern.test(inner)), `${at}: ${inner}`);
    }
    for (const { step, at } of everyStep) {
      for (const inner of expressions(step.with).filter((inner) => !/^runner\.os$|^hashFiles\(/.test(inner))) assert.ok(known.some((pattern) => pattern.test(inner)), `${at}: ${inner}`);
    }
  });

  test('stands in quotes wherever a command uses it', () => {
    for (const { step, at } of everyStep.filter(({ step }) => step.run)) {
      for (const name of Object.keys(step.env ?? {})) {
        const bare = [...step.run.matchAll(new RegExp(`\\$\\{?${name}\\b`, 'g'))].filter(({ index }) => (step.run.slice(0, index).match(/"/g) ?? []).length % 2 === 0);
        assert.deepEqual(bare, [], `${at}: ${name}`);
      }
    }
  });
});

describe('one after the other', () => {
  test('deployments and promotions never overlap and are never cut off in the middle', () => {
    const deploying = "github.event.workflow_run.conclusion == 'success' && github.event.workflow_run.event == 'push'";
    assert.deepEqual(workflows['deploy.yml'].concurrency, { group: `\${{ ${deploying} && 'deploy-staging' || format('nothing-{0}', github.run_id) }}`, 'cancel-in-progress': false });
    assert.deepEqual(workflows['promote.yml'].concurrency, { group: 'promote-production', 'cancel-in-progress': false });
  });

  test('a commit of main is verified to its end', () => {
    assert.equal(workflows['ci.yml'].concurrency.group, "verify-${{ github.event_name == 'pull_request' && github.ref || github.sha }}");
    assert.equal(workflows['ci.yml'].concurrency['cancel-in-progress'], "${{ github.event_name == 'pull_request' }}");
  });
});

test('every script and target that a workflow calls exists', () => {
  const targets = [...textOf('Makefile').matchAll(/^([a-z0-9-]+):/gm)].map(([, name]) => name);
  for (const { step, at } of everyStep.filter(({ step }) => step.run)) {
    for (const [script] of step.run.matchAll(/\bscripts\/[\w/.]+/g)) assert.ok(existsSync(inProject(script)), `${at}: ${script}`);
    for (const [, target] of step.run.matchAll(/\bmake ([\w-]+)/g)) assert.ok(targets.includes(target), `${at}: ${target}`);
  }
});
