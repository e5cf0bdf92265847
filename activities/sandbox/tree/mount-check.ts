// Whether a work tree is mounted as it was meant: a folder that became a link while it was being mounted would show what
// it leads to.

/**
 * For a shell, in the sandbox. Its arguments: the tree; of each guarded path `=PATH` for a part of the tree mounted at
 * its own place, or `+PATH` for something else mounted there; `--`; what follows is left as the arguments. `$moved` is
 * empty when all is as meant.
 */
export const mountCheck = `
tree=$1; shift
moved=
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
[ "$seen" = "$wanted" ] || moved=yes
while [ "$1" != -- ]; do shift; done
shift
`;

/** A path as /proc/self/mountinfo writes it. */
export function asMounted(path: string): string {
  return path.replace(/[ \t\n\\]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
