// Ways out of a sandbox, each a command and what it would reach. What prints the scene's word has read it, or was let do
// what it tried.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { planted } from './planted.ts';
import type { Scene } from './scene.ts';

export interface Probe {
  name: string;
  command(scene: Scene): string;
  /** Commands behind it, each with a look of its own at what is there. */
  more?(scene: Scene): string[];
  /** What a person or the machine does afterwards, which may carry out what the command has planted. */
  afterwards?(scene: Scene): Promise<void> | void;
  /** What it tries only root may do on the machine itself. */
  asRoot?: true;
  /** Not every kernel has it: whether this one does is seen by trying it on the machine itself. */
  asKernel?: true;
  /** A program it needs that not every machine has. */
  program?: string;
}

const secret = ({ outside }: Scene): string => `${outside}/secret`;
const printing =
  (attempt: (scene: Scene) => string) =>
  (scene: Scene): string =>
    `${attempt(scene)} && echo ${scene.word}`;
/** A system call made by perl, which succeeds when it answers at least `least`. */
const calling =
  (x64: number, arm64: number, rest: string, least = 0) =>
  ({ word }: Scene): string =>
    `perl -e '@a = (${rest}); print "${word}" if syscall(${process.arch === 'arm64' ? arm64 : x64}, @a) >= ${least}'`;
// Read until the listener ends it: then it has seen the visit.
const connecting =
  (address: (scene: Scene) => string) =>
  (scene: Scene): string =>
    `perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => ${address(scene)}) or exit 1; <$s>'`;

function isRunning(argument: string): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(argument);
    } catch {
      // No process, or gone meanwhile.
      return false;
    }
  });
}

const reading: Probe[] = [
  { name: 'a file by its absolute path', command: (scene) => `cat ${secret(scene)}` },
  { name: 'a file by two dots', command: () => 'cat ../outside/secret' },
  { name: 'a link made inside', command: (scene) => `ln -sfn ${secret(scene)} l1 && cat l1` },
  {
    name: 'a folder through a link',
    command: (scene) => `ln -sfn ${scene.outside} l2 && find -L l2 -type f -exec cat {} +`,
  },
  { name: 'a hard link', command: (scene) => `ln -f ${secret(scene)} hard && cat hard` },
  { name: 'a copy', command: (scene) => `cp ${secret(scene)} copy && cat copy` },
  { name: 'an archive', command: ({ outside }) => `tar -C ${outside} -c secret | tar -xO` },
  { name: 'a redirection', command: (scene) => `read -r line < ${secret(scene)}; echo "$line"` },
  { name: 'a file as a script', command: (scene) => `. ${secret(scene)}` },
  {
    name: 'a pipe with a name',
    command: ({ outside, word }) => `timeout 20 head -c ${word.length} ${outside}/pipe`,
  },
  { name: 'dd', command: (scene) => `dd status=none if=${secret(scene)}` },
  {
    name: 'a search of the whole temporary folder',
    command: ({ folder }) => `grep -rh canary- ${folder}/outside`,
  },
  { name: 'the root of the worker', command: (scene) => `cat /proc/${process.pid}/root${secret(scene)}` },
  { name: 'the own root in /proc', command: (scene) => `cat /proc/self/root${secret(scene)}` },
  { name: 'the folder of another process', command: ({ victim }) => `cat /proc/${victim}/cwd/secret` },
  { name: 'a descriptor of another process', command: ({ victim }) => `cat /proc/${victim}/fd/3` },
  {
    name: 'the environment of each process',
    command: () => `cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep ^VARIABLE=`,
  },
  {
    name: 'the arguments of each process',
    command: () => `cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep ^argument-`,
  },
  { name: 'the token in a data folder in the project', command: () => 'cat state/perdure/token' },
  { name: 'perl -e', command: (scene) => `perl -e 'open F, "${secret(scene)}"; print <F>'` },
  {
    name: 'python -c',
    program: 'python3',
    command: (scene) => `/usr/bin/python3 -c 'print(open("${secret(scene)}").read())'`,
  },
  {
    name: 'make',
    program: 'make',
    command: (scene) => `printf 'all:\\n\\t@cat ${secret(scene)}' | make -f -`,
  },
  { name: 'rbash -c', program: 'rbash', command: (scene) => `rbash -c 'cat ${secret(scene)}'` },
  { name: 'npx -c', program: 'npx', command: (scene) => `npx --offline -c 'cat ${secret(scene)}'` },
  {
    name: 'an editor’s macro',
    program: 'vim',
    command: (scene) => `vim -es -c 'r ${secret(scene)}' -c '%p' -c 'q!' file`,
  },
  { name: 'sed that runs a command', command: (scene) => `sed -n '1e cat ${secret(scene)}' file` },
  {
    name: 'awk that reads a file',
    command: (scene) => `awk 'BEGIN { getline line < "${secret(scene)}"; print line }'`,
  },
  { name: 'an alias of git', command: (scene) => `git -c alias.x='!cat ${secret(scene)}' x` },
  {
    name: 'a comparison by git',
    command: (scene) => `git --no-pager diff --no-index /dev/null ${secret(scene)}`,
  },
  {
    name: 'the loader as a program',
    command: (scene) => `$(ls /lib*/ld-linux*.so.* | head -1) /bin/cat ${secret(scene)}`,
  },
  {
    name: 'who listens on this machine',
    command: (scene) =>
      `grep -qi ':${scene.tcpPort.toString(16).padStart(4, '0')} ' /proc/net/tcp && echo ${scene.word}`,
  },
  { name: 'the machine’s devices in /sys', command: printing(() => 'ls /sys/class/net >/dev/null') },
  {
    name: 'the memory map of another process',
    command: printing(({ victim }) => `cat /proc/${victim}/maps >/dev/null`),
  },
  {
    name: 'the kernel’s log',
    asRoot: true,
    command: printing(() => 'timeout 20 head -n 1 /dev/kmsg >/dev/null'),
  },
  {
    name: 'a mount',
    asRoot: true,
    command: ({ outside }) => `mkdir -p m; mount --bind ${outside} m && cat m/secret; umount m`,
  },
  {
    name: 'another root',
    asRoot: true,
    command: (scene) => `chroot /proc/${process.pid}/root cat ${secret(scene)}`,
  },
  {
    name: 'the namespaces of the worker',
    asRoot: true,
    command: (scene) => `nsenter -t ${process.pid} -m cat ${secret(scene)}`,
  },
  { name: 'a user namespace of its own', asRoot: true, command: printing(() => 'unshare -U true') },
  {
    name: 'a device made inside',
    asRoot: true,
    command: printing(() => 'rm -f zero; mknod zero c 1 5 && head -c 1 zero >/dev/null'),
  },
  {
    name: 'another user',
    asRoot: true,
    command: ({ word }) => `perl -e '$> = 12345; print "${word}" if $> == 12345'`,
  },
  {
    name: 'a raw socket',
    asRoot: true,
    command: ({ word }) => `perl -e 'print "${word}" if socket(S, 2, 3, 1)'`,
  },
  {
    name: 'a packet socket',
    asRoot: true,
    command: ({ word }) => `perl -e 'print "${word}" if socket(S, 17, 3, 768)'`,
  },
  {
    name: 'a setting of the kernel',
    asRoot: true,
    command: printing(
      () => 'v=$(cat /proc/sys/kernel/core_pattern); printf %s "$v" > /proc/sys/kernel/core_pattern',
    ),
  },
  { name: 'the name of the machine', asRoot: true, command: printing(() => 'hostname "$(hostname)"') },
  {
    name: 'ptrace of another process',
    asRoot: true,
    command: (scene) => calling(101, 117, `16, ${scene.victim}, 0, 0`)(scene),
  },
  {
    name: 'the limits of another process',
    asRoot: true,
    command: printing(({ victim }) => `prlimit --pid ${victim} --core=0`),
  },
  // In the keyring of the process, which ends with it.
  {
    name: 'a key of the kernel',
    asKernel: true,
    command: calling(248, 217, '"user", "perdure-probe", "x", 1, -2'),
  },
  {
    name: 'a map of bpf',
    asKernel: true,
    asRoot: true,
    command: calling(321, 280, '0, pack("L18", 2, 4, 4, 1), 72'),
  },
  { name: 'faults of memory taken over', asKernel: true, command: calling(323, 282, '1') },
  // To be connected, a socket for datagrams needs no more than a route.
  {
    name: 'a route to where clouds keep a machine’s metadata',
    asKernel: true,
    command: ({ word }) =>
      `perl -MIO::Socket::INET -e 'print "${word}" if IO::Socket::INET->new(Proto => "udp", PeerAddr => "169.254.169.254:80")'`,
  },
];

const touching: Probe[] = [
  {
    name: 'the token after moving the data folder',
    command: () => 'mv state/perdure taken; cat taken/token; mv taken state/perdure',
  },
  {
    name: 'the token after moving what holds the data folder',
    command: () => 'mv state other; cat other/perdure/token; mv other state',
  },
  { name: 'a file written', command: ({ outside }) => `echo x > ${outside}/target` },
  { name: 'a file removed', command: ({ outside }) => `rm -f ${outside}/target` },
  { name: 'a file’s mode', command: ({ outside }) => `chmod 777 ${outside}/target` },
  { name: 'a file beside the project', command: () => 'touch ../planted' },
  { name: 'a file through a link', command: ({ outside }) => `ln -sfn ${outside} l3 && touch l3/planted` },
  { name: 'the work tree renamed', command: ({ project, folder }) => `mv ${project} ${folder}/moved` },
  { name: 'the token overwritten', command: () => 'echo x > state/perdure/token' },
  {
    name: 'a process ended',
    command: ({ victim }) => `kill -9 ${victim} && while kill -0 ${victim} 2>/dev/null; do sleep 0.05; done`,
  },
  {
    name: 'a process halted',
    command: ({ victim }) =>
      `kill -STOP ${victim} && until grep -q '^State:.[Tt]' /proc/${victim}/status; do sleep 0.05; done`,
  },
  {
    name: 'a daemon that hides and outlives its command',
    command: ({ outside, word }) =>
      `env -i /usr/bin/setsid /bin/sh -c 'sleep 0.7; touch ${outside}/planted' daemon-${word} >/dev/null 2>&1 & ` +
      // Until it has hidden.
      "while [ -e /proc/$! ] && ! grep -q '^sh$' /proc/$!/comm; do :; done",
    async afterwards({ word }) {
      while (isRunning(`daemon-${word}`)) await sleep(50);
    },
  },
  {
    name: 'a port of this machine',
    command: ({ tcpPort }) => `exec 3<>/dev/tcp/127.0.0.1/${tcpPort} && cat <&3`,
  },
  {
    name: 'a port by the address of no interface',
    command: ({ tcpPort }) => `exec 3<>/dev/tcp/0.0.0.0/${tcpPort} && cat <&3`,
  },
  {
    name: 'a port by the addresses of this machine',
    command: ({ addresses, tcpPort }) =>
      addresses.map((each) => `(exec 3<>/dev/tcp/${each}/${tcpPort} && cat <&3)`).join('; '),
  },
  {
    name: 'a port through a proxy, if there is one',
    program: 'curl',
    command: ({ tcpPort }) =>
      `curl -s --noproxy '' --max-time 5 http://127.0.0.1:${tcpPort}/ http://localhost:${tcpPort}/`,
  },
  {
    name: 'a query to a name server',
    command: ({ udpPort }) => `echo query > /dev/udp/127.0.0.1/${udpPort}; sleep 0.1`,
  },
  { name: 'an abstract socket', command: connecting(({ abstractSocket }) => `"\\0${abstractSocket}"`) },
  {
    name: 'the socket of a daemon, as Docker’s',
    command: connecting(({ outside }) => `"${outside}/socket"`),
  },
  { name: 'a socket in the work tree', command: connecting(() => '"tree-socket"') },
  ...planted,
];

export const probes = { reading, touching };
