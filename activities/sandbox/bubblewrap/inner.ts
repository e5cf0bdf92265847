// The shell script that is the first program in the sandbox: it looks whether all is mounted as meant, starts the
// command's shell, and tells the worker what that shell has left running. It writes to descriptor 3,
// line by line.

/**
 * Its arguments: the tree; of each guarded path `=PATH` for a part of the tree mounted at its own place, or `+PATH` for
 * something else mounted there; `--`; the command. A folder that became a link while bubblewrap was mounting it would
 * show what it leads to: then nothing is started. Its lines: `started` or `moved`; `left PID COMMAND`.
 */
export const script = `
exec 4>&2 2>/dev/null
tree=$1; shift
seen=0 wanted=0
for one; do
  [ "$one" = -- ] && break
  wanted=$((wanted + 1))
done
while read -r id parent device root point rest; do
  if [ "$point" = "$tree" ]; then base=\${root%/} disk=$device; fi
  for one; do
    case $one in
      --) break ;;
      "=$point") [ "$device $root" = "$disk $base\${point#"$tree"}" ] && seen=$((seen + 1)) ;;
      "+$point") seen=$((seen + 1)) ;;
    esac
  done
done </proc/self/mountinfo
if [ "$seen" != "$wanted" ]; then echo moved >&3; exit 125; fi
while [ "$1" != -- ]; do shift; done
shift
echo started >&3
(exec "$@" 2>&4 3>&- 4>&-)
code=$?
others() {
  left=
  for one in /proc/[0-9]*; do
    one=\${one#/proc/}
    [ "$one" = 1 ] || [ "$one" = $$ ] || left="$left $one"
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

/** A path as /proc/self/mountinfo writes it. */
export function asMounted(path: string): string {
  return path.replace(/[ \t\n\\]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
