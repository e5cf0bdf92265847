#!/usr/bin/env node
// The first thing that runs: installs what is missing and goes on under the pinned Node. Plain JavaScript without a
// package, because at this point there may be neither packages nor a Node that understands TypeScript.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = resolve(dirname(realpathSync(fileURLToPath(import.meta.url))), '..');
const modules = join(root, 'node_modules');
const stamp = join(modules, '.perdure-lock-hash');

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

/** Installed by us from this very lockfile, or by npm after the lockfile was last written. */
function isInstalled() {
  const record = join(modules, '.package-lock.json');
  if (!existsSync(record)) return false;
  if (existsSync(stamp)) return readFileSync(stamp, 'utf8') === lockHash();
  // npm's own record of what it installed holds the same packages; the first line of trouble is a missing one.
  const installed = Object.keys(JSON.parse(readFileSync(record, 'utf8')).packages);
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const current = installed.every((name) => wanted[name] !== undefined);
  const complete = Object.keys(wanted).every(
    (name) => name === '' || wanted[name].optional || installed.includes(name),
  );
  if (current && complete) writeFileSync(stamp, lockHash());
  return current && complete;
}

function install() {
  process.stderr.write('Installing the packages of the lockfile, once …\n');
  const started = Date.now();
  // The engines of single packages are those of the pinned Node, not of the one that runs npm.
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--engine-strict=false'];
  const npm = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (npm.status !== 0) {
    process.stderr.write(
      `npm ${args.join(' ')} failed in ${root}: run it by hand to see why, then start again.\n`,
    );
    process.exit(npm.status ?? 1);
  }
  writeFileSync(stamp, lockHash());
  process.stderr.write(`Installed after ${Math.round((Date.now() - started) / 1000)} s.\n`);
}

/** `npx perdure` in the checkout looks here; npm links only the commands of other packages. */
function linkCommand() {
  const link = join(modules, '.bin', 'perdure');
  if (existsSync(link)) return;
  try {
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join('..', '..', 'worker', 'perdure.mjs'), link);
  } catch (error) {
    // Made meanwhile by another start, or a folder that is not ours to write: npm start works all the same.
    if (!['EEXIST', 'EACCES', 'EROFS'].includes(error.code)) throw error;
  }
}

function pinnedNode() {
  const packaged = join(modules, `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(packaged)) return packaged;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  process.stderr.write(
    `Perdure needs Node 22.18 or newer on ${process.platform}-${process.arch}, and this is ${process.versions.node}: install Node 24.\n`,
  );
  process.exit(1);
}

/** What to run and with which arguments. */
function target([command, ...rest]) {
  if (command === 'run-script') return [resolve(root, rest[0] ?? ''), rest.slice(1)];
  const roles = ['serve', 'db', 'config', 'logs', 'api', 'worker'];
  if (roles.includes(command)) return [join(root, 'worker', 'main.ts'), [command, ...rest]];
  return [join(root, 'api', 'cli', 'main.ts'), process.argv.slice(2)];
}

async function runHere(program, args) {
  module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
  process.argv = [process.execPath, program, ...args];
  await import(pathToFileURL(program).href);
}

function runUnder(node, program, args) {
  const child = spawn(node, [program, ...args], { stdio: 'inherit' });
  // A terminal's Ctrl-C reaches the child by itself; sent to us alone, it must be passed on.
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  process.on('SIGINT', () => terminal || child.kill('SIGINT'));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => {
    process.stderr.write(`${node} does not start (${error.message}): remove ${modules} and start again.\n`);
    process.exit(1);
  });
  child.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

if (!isInstalled()) install();
linkCommand();
// Compiled code is kept, because every process of ours starts from the same sources and some must start fast.
process.env.NODE_COMPILE_CACHE ??= join(modules, '.cache', 'compiled');
const node = pinnedNode();
const [program, args] = target(process.argv.slice(2));
if (realpathSync(node) === realpathSync(process.execPath)) await runHere(program, args);
else runUnder(node, program, args);
