// The shell scripts that run in the container beside a command: the one that starts it and ends what it leaves, and the
// one that another worker ends it with. They use a shell, grep and sleep, which each image has.
import { startForwarder } from '../group/forwarder.ts';
import { asExports, quoted } from '../group/shell.ts';
import { mountCheck } from '../tree/mount-check.ts';

/**
 * Who runs the container: in a person's own nothing is ended that does not carry the command's mark, whatever
 * that leaves behind.
 */
export type Whose = 'ours' | 'theirs';

// A command follows its container at once; on a machine that swaps, within seconds.
const unusedSeconds = 60;

/**
 * The first process of a container: takes the orphans of commands, so that none is left as a zombie. It ends when nothing was
 * started beside it in its first minute, so that the newest process there is still its own: an engine that died while it
 * started the container does not know of it any more, and could never end it.
 */
export const init = `sleep ${unusedSeconds} & wait; read -r load more most tasks newest </proc/loadavg; [ "$newest" = $! ] && exit; while :; do sleep 86400 & wait; done`;

// A mark is only worth something while the shell that the engine started with it lives: a command may give any to what it
// starts. Such a shell has no parent in its container, and nothing else comes to have none.
const forOurs = `
is_orphan() {
  read -r line <"$1/stat" || return 1
  set -- \${line##*) }
  [ "$2" = 1 ] && [ "$4" != 1 ] && [ "$1" != Z ]
}
is_started() {
  read -r line <"$1/stat" || return 1
  set -- \${line##*) }
  [ "$2" = 0 ]
}
forged() {
  carried=$(exec tr '\\0' '\\n' <"$1/environ") || return 0
  carried="
$carried
"
  mark_of=\${carried#*"
PERDURE_GROUP="}
  # One that is ending shows nothing any more.
  [ "$mark_of" = "$carried" ] && return 1
  case $mark_of in *"
PERDURE_GROUP="*) return 0 ;; esac
  mark_of=\${mark_of%%"
"*}
  case $mark_of in ????????????????) ;; *) return 0 ;; esac
  for starter in $marked; do
    is_started "\${starter%/environ}" && grep -qsF "PERDURE_GROUP=$mark_of" "$starter" && return 1
  done
  return 0
}
end_reachable() { kill -KILL -1; }
`;
const forTheirs = `
is_orphan() { return 1; }
forged() { return 1; }
end_reachable() { return 1; }
`;

// `look` finds what belongs to the command, or fails when it does not even find its own shell: what carries its mark, and
// what has lost its parent and carries the mark of no living one, save what the container's first process began.
// `end_all` asks all of it to end, and kills what is left after `grace` hundredths of a second.
const endingOf = (whose: Whose): string => `
look() {
  ours=$(unset PERDURE_GROUP; exec grep -lsF "PERDURE_GROUP=$token" /proc/[0-9]*/environ)
  marked=$(unset PERDURE_GROUP; exec grep -lsF PERDURE_GROUP= /proc/[0-9]*/environ)
  case $marked in *"/proc/$$/environ"*) ;; *) return 1 ;; esac
  found=
  for one in $ours; do
    one=\${one#/proc/}
    one=\${one%/environ}
    case " $kept " in *" $one "*) ;; *) found="$found $one" ;; esac
  done
  unmarked=
  for one in /proc/[0-9]*; do
    is_orphan "$one" || continue
    case $marked in *"$one/environ"*) forged "$one" || continue ;; esac
    unmarked="$unmarked $one"
  done
  [ -z "$unmarked" ] && return 0
  # A program that is just being started has no environment for a moment.
  sleep 0.05 || return 1
  marked=$(unset PERDURE_GROUP; exec grep -lsF PERDURE_GROUP= /proc/[0-9]*/environ)
  for one in $unmarked; do
    is_orphan "$one" || continue
    case $marked in *"$one/environ"*) forged "$one" || continue ;; esac
    found="$found \${one#/proc/}"
  done
  return 0
}
${whose === 'ours' ? forOurs : forTheirs}
clock() {
  read -r up rest </proc/uptime
  now=\${up%.*}\${up#*.}
}
# What a program starts when it was asked to end is its way of cleaning up.
is_cleaning() {
  read -r line <"/proc/$1/stat" || return 1
  set -- \${line##*) }
  case "$before " in *" $2 "*) return 0 ;; esac
  return 1
}
end_all() {
  asked=
  clock
  started=$now
  while look; do
    [ -z "$found" ] && return 0
    clock
    before=$asked
    for one in $found; do
      if [ $((now - started)) -ge "$grace" ]; then
        kill -KILL "$one"
      else
        case "$asked " in *" $one "*) ;; *) is_cleaning "$one" || kill -TERM "$one"; asked="$asked $one" ;; esac
      fi
    done
    [ $((now - started)) -gt $((grace + 300)) ] && return 1
    sleep 0.05 || return 1
  done
  return 1
}
`;

// Between two looks at the counters of the container's limits: how often the kernel ended a process for memory, and how
// often it started none because there were too many. The names differ between the two kinds of cgroups.
const counters = `
count() {
  oom=0 forks=0
  for file in /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events; do
    [ -r "$file" ] && while read -r key value; do [ "$key" = oom_kill ] && oom=$value; done <"$file"
  done
  for file in /sys/fs/cgroup/pids/pids.events /sys/fs/cgroup/pids.events; do
    [ -r "$file" ] && while read -r key value; do [ "$key" = max ] && forks=$value; done <"$file"
  done
}
`;

/** What it says when it waits. */
export const ready = 'ready';

/**
 * Runs one command in a shell of its own. Its arguments: the mark of the command, the grace in hundredths of a second; the
 * tree and what is guarded in it, as the check of mounts takes them; `--`. It writes `ready` to stderr and may wait for
 * long: it acts once a line `go MARK LENGTH` comes in, with as many bytes behind it as `toGo` makes, and ends all that the
 * command has started as soon as its input ends: then the worker has let go of it, or is dead. At its end it writes a
 * report to stderr, between two MARKs: `exit CODE`, `oom N`, `forks N`, `left PID COMMAND`; or `moved`, `no-bash` or `unconnected`, when nothing
 * was started. Two MARKs end its stdout.
 */
export const runScript = (whose: Whose): string => `
exec 3<&0 4>&2 </dev/null 2>/dev/null
unset HOSTNAME
token=$1 grace=$2
shift 2
${mountCheck}
shell=/bin/sh
for one in /bin/bash /usr/bin/bash /usr/local/bin/bash; do [ -x "$one" ] && shell=$one; done
refuse() { printf '%s%s' "$mark" "$mark"; printf '%s%s\\n%s' "$mark" "$1" "$mark" >&4; exit 125; }
${endingOf(whose)}
${counters}
watch() {
  while read -r word <&3; do :; done
  # From here on it is not ended with the command, and should it fail, all that it can reach is.
  trap '' USR1
  trap end_reachable EXIT
  read -r me rest </proc/self/stat
  kept="$$ $me"
  end_all || end_reachable
  trap - EXIT
}
printf '${ready}' >&4
read -r go mark length <&3 || exit 125
given=$(head -c "$length" <&3)
whole=
eval "$given"
[ -n "$whole" ] || exit 125
[ -z "$moved" ] || refuse moved
[ "$kind" = any ] || [ "$shell" != /bin/sh ] || refuse no-bash
${startForwarder}
[ -z "$unconnected" ] || refuse unconnected
count
oom_before=$oom forks_before=$forks
watch >/dev/null 4>&- &
watcher=$!
(exec "$shell" -c -- "$1" 2>&4 3>&- 4>&-)
code=$?
kill -USR1 "$watcher"
wait "$watcher"
# Filters at the end of a pipeline may live a moment longer than the shell.
kept="$$ $forwarder"
gone=
for try in 1 2 3 4 5; do
  look || break
  [ -z "$found" ] && gone=yes && break
  sleep 0.05
done
left=
for one in $found; do
  [ -r "/proc/$one/cmdline" ] && left="$left
left $one $(tr '\\0\\n' '  ' <"/proc/$one/cmdline" | head -c 100)"
done
kept=$$
[ -n "$gone" ] && [ -z "$forwarder" ] || end_all || end_reachable
count
printf '%s%s' "$mark" "$mark"
printf '%sexit %s\\noom %s\\nforks %s%s\\n%s' "$mark" "$code" $((oom - oom_before)) $((forks - forks_before)) "$left" "$mark" >&4
exit "$code"
`;

/** What the script waits for: names and values of variables, what starts the forwarder, and the command. */
export function toGo(
  mark: string,
  given: {
    kind: 'judged' | 'any';
    variables: Record<string, string>;
    forwarder: readonly string[];
    command: string;
  },
): string {
  const words = [...given.forwarder, given.command].map(quoted).join(' ');
  // The last word: a text that a dying worker did not write to its end may be read as another command.
  const text = [`kind=${given.kind}`, ...asExports(given.variables), `set -- ${words}`, 'whole=yes'].join(
    '\n',
  );
  return `go ${mark} ${Buffer.byteLength(text)}\n${text}`;
}

/**
 * Kills all of a command, the script around it too. Its argument is the mark of the command. It carries one of its own:
 * two that kill the same command leave each other alone.
 */
export const killScript = (whose: Whose): string => `
exec 2>/dev/null
token=$1 kept=$$ grace=0
${endingOf(whose)}
end_all
`;

/** Answers by its exit code whether anything of a command lives. */
export const lookScript = (whose: Whose): string => `
exec 2>/dev/null
token=$1 kept=$$
${endingOf(whose)}
look || exit 1
[ -z "$found" ] && exit 11
exit 10
`;

export const lookCodes = { lives: 10, gone: 11 };
