# Read by bash before a command that was allowed by its words: `git` in that command is held to the project's own
# repository (bounds.ts). What the command starts by other names, such as the project's tests, has its git as it is.
unset BASH_ENV
perdure_bounds=()
for perdure_name in "${!GIT_@}"; do
  perdure_bounds+=("${perdure_name/#GIT_BOUND_PATH/PATH}=${!perdure_name}")
  unset "$perdure_name"
done
unset perdure_name
# The command must not change them.
readonly perdure_bounds

# Of a subshell that is about to become git with these arguments.
perdure_bound() {
  unset "${!GIT_@}"
  export "${perdure_bounds[@]}"
  # Such options have no argument of their own.
  while [[ ${1-} == -* ]]; do shift; done
  # These make a repository and find none.
  case ${1-} in init | clone) unset GIT_DIR GIT_COMMON_DIR GIT_WORK_TREE ;; esac
  # In a project without a repository it would compare any two folders.
  if [[ ${1-} == diff && ${GIT_DIR-} == /dev/null/* && " $* " != *' --no-index '* ]]; then
    echo "fatal: not a git repository: ${GIT_DIR#/dev/null/}" >&2
    exit 128
  fi
}

# With `set -x`, none of this is for the output of the command.
git() (
  { set +x; } 2>/dev/null
  perdure_bound "$@"
  exec git "$@"
)

# The one program that plain commands may have in front of git.
timeout() (
  { set +x; } 2>/dev/null
  if [[ ${2-} == git ]]; then perdure_bound "${@:3}"; fi
  exec timeout "$@"
)

readonly -f perdure_bound git timeout
