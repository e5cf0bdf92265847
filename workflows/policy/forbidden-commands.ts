// Commands that a profile which allows all others refuses by name. These lists are tripwires, no wall: a program under
// another name, or written anew, does the same. Only a sandbox contains what runs.
import type { PolicyRule } from '../contracts/policy.ts';
import { withArguments } from './look-commands.ts';

// Those a usual system has. Git is one where it talks to others; package managers are left, work needs them. Containers
// have a network of their own, and reach more than the sandbox does.
const networkPrograms = [
  ...['curl', 'wget', 'aria2c', 'axel', 'http', 'https', 'xh', 'lynx', 'links', 'elinks', 'w3m'],
  ...['ssh', 'scp', 'sftp', 'sshfs', 'ssh-keyscan', 'mosh', 'rsh', 'rlogin', 'rsync'],
  ...['telnet', 'ftp', 'tftp', 'lftp'],
  ...['nc', 'nc.openbsd', 'nc.traditional', 'ncat', 'netcat', 'socat', 'mail', 'mailx', 'sendmail'],
  // The name in a look-up leaves the machine and can carry data.
  ...['dig', 'drill', 'nslookup', 'host', 'getent', 'ping', 'ping6', 'traceroute', 'whois'],
  'openssl s_client',
  ...withArguments('git', ['push', 'fetch', 'pull', 'clone', 'ls-remote', 'archive', 'request-pull', 'lfs']),
  ...withArguments('git', ['remote update', 'remote show', 'remote prune', 'remote set-head']),
  ...withArguments('git', ['remote add -f', 'remote add --fetch', 'submodule update', 'submodule add']),
  ...withArguments('git', [
    'send-pack',
    'fetch-pack',
    'http-fetch',
    'http-push',
    'remote-http',
    'remote-https',
  ]),
  ...withArguments('git', ['send-email', 'imap-send', 'svn', 'p4', 'cvsimport']),
  ...['docker', 'docker-compose', 'podman', 'podman-compose', 'nerdctl', 'kubectl', 'gh'],
];

const noNetworkPrograms: PolicyRule = {
  effect: 'execute',
  commands: networkPrograms.map((program) => `${program} **`),
  decision: 'deny',
  reason: 'it reaches into the network',
  examples: {
    match: [
      'curl https://example.org',
      '/usr/bin/wget x',
      'ls | nc host 1',
      'env curl x',
      "bash -c 'curl x'",
      'git push https://example.org/x HEAD',
      'dig secret.example.org',
    ],
    noMatch: ['ls curl', 'npm run curl', 'git log', 'openssl dgst x'],
  },
};

// An agent that may answer approvals and raise limits is bound by neither.
const noPlatformCommands: PolicyRule = {
  effect: 'execute',
  commands: ['perdure **', 'perdure.mjs **'],
  decision: 'deny',
  reason: 'it rules over runs, this one among them; that is for people',
  examples: {
    match: ['perdure approve 1', 'ls; npx perdure allowances', 'node ./worker/perdure.mjs approve 1'],
    noMatch: ['ls perdure', 'cat worker/perdure.mjs'],
  },
};

// A link or a copy has another name, and a name in quotes for another program is not seen.
const noPlatformFiles: PolicyRule = {
  effect: 'execute',
  paths: ['**/perdure.mjs', '**/bin/perdure', '**/.bin/perdure'],
  decision: 'deny',
  reason: 'it is the program that rules over runs, this one among them; that is for people',
  examples: { match: ['cp worker/perdure.mjs x', 'ln -s /usr/local/bin/perdure p'], noMatch: ['ls bin'] },
};

// What is named from inside of the folder is not seen. What programs write is not either: that is for the sandbox to
// contain. What else of git runs other commands (rebase -x, bisect run, difftool) is in doubt, and so asked about.
const noGitCommands: PolicyRule = {
  effect: 'execute',
  commands: [
    ...withArguments('git', ['config **', 'credential **', 'credential-store **', 'credential-cache **']),
    ...withArguments('git', ['hook **', 'maintenance **', 'daemon **', 'instaweb **', 'shell **']),
    // The folder is met by its name anyway; these put a `cd` to a folder known only when it runs in doubt.
    ...['cd .git **', 'pushd .git **'],
  ],
  decision: 'deny',
  reason: 'it changes what git runs or obeys, or tells what it keeps secret',
  examples: {
    match: ['git config core.hooksPath hooks', 'git config alias.p push && git p', 'nice git config x y'],
    noMatch: ['git log config'],
  },
};

export const forbiddenCommands: readonly PolicyRule[] = [
  noGitCommands,
  noNetworkPrograms,
  noPlatformCommands,
  noPlatformFiles,
];
