#!/usr/bin/env node
// The first thing that runs: installs what is missing and goes on under the pinned Node. Plain JavaScript without a
// package, because at this point there may be neither packages nor a Node that understands TypeScript.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = resolve(dirname(realpathSync(fileURLToPath(import.meta.url))), '..');
const modules = join(root, 'node_modules');
const stamp = join(modules, '.perdure-lock-hash');

/** A reader that is gone must end no start. */
function tell(text) {
  try {
    writeSync(2, text);
  } catch {
    // There is nowhere left to say it.
  }
}

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

function readLock(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

/**
 * What npm last finished installing is what the lockfile wants. A platform's own packages may be missing, and so may
 * those of the tests unless `withTests`.
 */
function isCurrent(withTests) {
  const record = join(modules, '.package-lock.json');
  if (!existsSync(record)) return false;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash()) return true;
  const installed = readLock(record);
  const wanted = Object.entries(readLock(join(root, 'package-lock.json'))).filter(([name]) => name !== '');
  const missing = wanted.filter(([name, { version }]) => installed[name]?.version !== version);
  const other = missing.some(([name, { dev, optional }]) => name in installed || !(dev || optional));
  const whole = missing.every(([name, { optional }]) => !(name in installed) && optional);
  if (whole) writeFileSync(stamp, lockHash());
  return withTests ? whole : !other;
}

/** Only what starts from new sources needs new packages: a look at a running server must not pull them from under it. */
function isReady(command) {
  if (command === 'run-script') return isCurrent(true);
  if (command === 'serve' || command === 'db') return isCurrent(false);
  return existsSync(join(modules, '.package-lock.json'));
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** A lock appears with its content in one step: one that names no process is left from a crash and not held. */
function isHeld(holder) {
  const pid = Number(holder);
  // A holder does not wait for its own lock: our pid in it is an earlier process's.
  return Number.isInteger(pid) && pid > 0 && pid !== process.pid && isAlive(pid);
}

function readOrUndefined(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** False when there is one already. */
function linked(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Moved away, then read: between a read and a removal another process could have put its own there. */
function removeStale(lock) {
  const holder = readOrUndefined(lock);
  if (holder === undefined) return true;
  if (isHeld(holder)) return false;
  const aside = `${lock}.${process.pid}.stale`;
  try {
    renameSync(lock, aside);
  } catch (error) {
    // Another waiter was faster.
    if (error.code !== 'ENOENT') throw error;
    return true;
  }
  if (readFileSync(aside, 'utf8') !== holder) linked(aside, lock);
  rmSync(aside);
  return true;
}

/** Two installs at once would take each other's files away, so one of them installs and the others wait. */
function holdInstallLock() {
  const folder = join(root, '.perdure');
  const lock = join(folder, 'install.lock');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Written first, then linked: a process killed in between leaves no lock without a pid.
  const mine = `${lock}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    for (let told = false; !linked(mine, lock); told = true) {
      if (removeStale(lock)) continue;
      if (!told) tell('Another start is installing the packages; waiting for it …\n');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  } finally {
    rmSync(mine);
  }
  const release = () => rmSync(lock, { force: true });
  process.on('exit', release);
  return release;
}

function install(command) {
  const release = holdInstallLock();
  // Another start that had the lock before may have done it.
  if (!isReady(command)) installPackages(howToInstall(command === 'run-script'));
  // Before another program takes the place of this one under the same process id, which would seem to hold it.
  release();
}

/** A server runs without the packages of the tests, which are a third of all. A checkout that has them keeps them. */
function howToInstall(withTests) {
  const record = join(modules, '.package-lock.json');
  const has = existsSync(record);
  // `npm ci` removes everything first, and a server may be running from what is there. This adds what is missing.
  if (has && withTests && isCurrent(false)) return ['install', '--no-save', '--include=dev'];
  const hasTests = has && Object.values(readLock(record)).some(({ dev }) => dev);
  return ['ci', withTests || hasTests ? '--include=dev' : '--omit=dev'];
}

function installPackages(how) {
  tell('Installing the packages of the lockfile, once …\n');
  const started = Date.now();
  // The engines of single packages are those of the pinned Node, not of the one that runs npm.
  const args = [...how, '--no-audit', '--no-fund', '--loglevel=error', '--engine-strict=false'];
  const npm = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (npm.status !== 0) {
    tell(`npm ${args.join(' ')} failed in ${root}: run it by hand to see why, then start again.\n`);
    process.exit(npm.status ?? 1);
  }
  if (!how.includes('--omit=dev')) writeFileSync(stamp, lockHash());
  tell(`Installed after ${Math.round((Date.now() - started) / 1000)} s.\n`);
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
  tell(
    `Perdure needs Node 22.18 or newer on ${process.platform}-${process.arch}, and this is ${process.versions.node}: install Node 24.\n`,
  );
  process.exit(1);
}

/** What to run and with which arguments. */
function target([command, ...rest]) {
  if (command === 'run-script') return [resolve(root, rest[0] ?? ''), rest.slice(1)];
  // The CLI hands back here what is in this list, and goes by the same one: no command goes round between the two.
  const ours = JSON.parse(readFileSync(join(root, 'api', 'cli', 'process-side.json'), 'utf8'));
  if (ours.includes(command) || ours.includes(`${command} ${rest[0]}`))
    return [join(root, 'worker', 'main.ts'), [command, ...rest]];
  return [join(root, 'api', 'cli', 'main.ts'), process.argv.slice(2)];
}

/** A supervisor waits: it needs no room for many new objects at once, nor for those of each thread. See `idle-garbage.ts`. */
function nodeFlags(command) {
  if (command !== 'serve') return [];
  process.env.MALLOC_ARENA_MAX ??= '1';
  return ['--max-semi-space-size=1'];
}

async function runHere(program, args) {
  module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
  process.argv = [process.execPath, program, ...args];
  await import(pathToFileURL(program).href);
}

function runUnder(node, flags, program, args) {
  // In our place where this Node can: nothing is left to pass signals and the exit code on, or to take memory.
  process.execve?.(node, [node, ...flags, program, ...args], process.env);
  const child = spawn(node, [...flags, program, ...args], { stdio: 'inherit' });
  // A terminal's Ctrl-C reaches the child by itself; sent to us alone, it must be passed on.
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  process.on('SIGINT', () => terminal || child.kill('SIGINT'));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => {
    tell(`${node} does not start (${error.message}): remove ${modules} and start again.\n`);
    process.exit(1);
  });
  child.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

// Of the place of the checkout alone; data and projects may be called nearly anything. Node takes a star for one of its
// own patterns, the bundler of the workflows takes the others for the parts of a request, and a colon ends a folder in the
// lists of programs that git goes through.
if (/[*#?!:\p{Cc}]/u.test(root)) {
  tell(
    `perdure: ${JSON.stringify(root)} is no place to start from: move the checkout to a folder without *, #, ?, !, : and control characters in its path.\n`,
  );
  process.exit(1);
}
const [command] = process.argv.slice(2);
if (!isReady(command)) install(command);
linkCommand();
// Compiled code is kept, because every process of ours starts from the same sources and some must start fast.
process.env.NODE_COMPILE_CACHE ??= join(modules, '.cache', 'compiled');
const node = pinnedNode();
const [program, args] = target(process.argv.slice(2));
const flags = nodeFlags(command);
if (realpathSync(node) === realpathSync(process.execPath) && flags.length === 0) await runHere(program, args);
else runUnder(node, flags, program, args);
