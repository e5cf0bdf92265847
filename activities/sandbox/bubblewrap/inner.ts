// The shell script that is the first program in the sandbox: it looks whether all is mounted as meant, starts the
// command's shell, and tells the worker what that shell has left running. It writes to descriptor 3,
// line by line.
import { startForwarder } from '../group/forwarder.ts';
import { asExports } from '../group/shell.ts';
import { mountCheck } from '../tree/mount-check.ts';

/**
 * Its arguments: the tree; of each guarded path `=PATH` for a part of the tree mounted at its own place, or `+PATH` for
 * something else mounted there; `--`; what starts the forwarder; the command. Its lines: `started`, or why nothing was:
 * `moved` or `unconnected`; `left PID COMMAND`. There it also finds what `toInput` makes.
 */
export const script = `
exec 4>&2 2>/dev/null
given=$(cat <&3)
# A dying worker may not write to its end.
case $given in *whole) ;; *) exit 125 ;; esac
${mountCheck}
if [ -n "$moved" ]; then echo moved >&3; exit 125; fi
${startForwarder}
if [ -n "$unconnected" ]; then echo unconnected >&3; exit 125; fi
echo started >&3
(eval "$given"; exec "$@" 2>&4 3>&- 4>&-)
code=$?
others() {
  left=
  for one in /proc/[0-9]*; do
    one=\${one#/proc/}
    [ "$one" = 1 ] || [ "$one" = $$ ] || [ "$one" = "$forwarder" ] || left="$left $one"
  done
}
# Filters at the end of a pipeline may live a moment longer than the shell.
for try in 1 2 3 4 5; do
  others
  [ -z "$left" ] && break
  sleep 0.05
done
for one in $left; do
  [ -r "/proc/$one/cmdline" ] && printf 'left %s %s\\n' "$one" "$(tr '\\0\\n' '  ' <"/proc/$one/cmdline" | head -c 100)" >&3
done
exit $code
`;

/** What the command alone finds in its environment: what starts it outside must not go by that, and command lines are seen. */
export function toInput(variables: Readonly<Record<string, string>>): string {
  return [...asExports(variables), '# whole'].join('\n');
}
