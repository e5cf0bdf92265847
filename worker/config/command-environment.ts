// Which variables of the user's environment the commands of tools get: those of a list, and never a key. Reads nothing:
// it is given the environment.
import path from 'node:path';

/** What programs need to find the user's toolchains, language and network; by name, `*` at the end for any rest. */
export const usualNames = [
  // People and places.
  ...['USER', 'LOGNAME', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE', 'LC_*'],
  ...['XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME', 'XDG_RUNTIME_DIR'],
  // The way into the network, in both spellings that programs look for.
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'ALL_PROXY', 'NO_PROXY'],
  ...['http_proxy', 'https_proxy', 'ftp_proxy', 'all_proxy', 'no_proxy'],
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR', 'NIX_SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS', 'REQUESTS_CA_BUNDLE'],
  ...['CURL_CA_BUNDLE', 'PIP_CERT', 'PIP_INDEX_URL', 'UV_INDEX_URL', 'UV_DEFAULT_INDEX'],
  // Toolchains.
  ...['JAVA_HOME', 'JDK_HOME', 'MAVEN_HOME', 'M2_HOME', 'GRADLE_HOME', 'GRADLE_USER_HOME', 'SDKMAN_DIR'],
  ...['ANDROID_HOME', 'ANDROID_SDK_ROOT', 'ANDROID_NDK_HOME', 'KOTLIN_HOME', 'SCALA_HOME'],
  ...['GOPATH', 'GOROOT', 'GOBIN', 'GOCACHE', 'GOMODCACHE', 'GOPROXY', 'GOPRIVATE', 'GONOSUMDB', 'GOSUMDB'],
  ...['CARGO_HOME', 'RUSTUP_HOME', 'RUSTUP_TOOLCHAIN', 'CARGO_TARGET_DIR'],
  ...['NVM_DIR', 'NVM_BIN', 'FNM_DIR', 'FNM_MULTISHELL_PATH', 'N_PREFIX', 'VOLTA_HOME', 'NODENV_ROOT'],
  ...['PNPM_HOME', 'BUN_INSTALL', 'DENO_DIR', 'DENO_INSTALL', 'COREPACK_HOME', 'PLAYWRIGHT_BROWSERS_PATH'],
  ...['PYENV_ROOT', 'VIRTUAL_ENV', 'CONDA_PREFIX', 'CONDA_DEFAULT_ENV', 'CONDA_EXE', 'CONDA_PYTHON_EXE'],
  ...['CONDA_ENVS_PATH', 'MAMBA_ROOT_PREFIX', 'MAMBA_EXE', 'POETRY_HOME', 'PIPX_HOME', 'PIPX_BIN_DIR'],
  ...['UV_CACHE_DIR', 'UV_PYTHON_INSTALL_DIR', 'WORKON_HOME'],
  ...['RBENV_ROOT', 'GEM_HOME', 'GEM_PATH', 'BUNDLE_PATH', 'COMPOSER_HOME', 'DOTNET_ROOT', 'NUGET_PACKAGES'],
  ...['ASDF_DIR', 'ASDF_DATA_DIR', 'MISE_DATA_DIR', 'OPAM_SWITCH_PREFIX', 'OPAMROOT', 'STACK_ROOT'],
  ...['FLUTTER_ROOT', 'PUB_CACHE', 'JULIA_DEPOT_PATH', 'ERL_LIBS', 'MIX_HOME', 'HEX_HOME', 'ZVM_INSTALL'],
  ...['HOMEBREW_PREFIX', 'HOMEBREW_CELLAR', 'HOMEBREW_REPOSITORY', 'NIX_PATH', 'NIX_PROFILES'],
];

const secretName =
  /(^|_)(API_?KEY|KEY|KEYS|\w*TOKEN|TOKENS|\w*SECRET|SECRETS|\w*PASSWORD|PASSWD|PASS|PASSPHRASE|CREDENTIALS?|AUTH|PAT|COOKIE)(_|$)/i;
// Bash reads these before or with a command, and would not run what was judged. Or they load code into programs.
const readByShell =
  /^(BASH.*|ENV|SHELLOPTS|POSIXLY_CORRECT|IFS|CDPATH|GLOBIGNORE|GLOBSORT|PS[0-4]|PROMPT_COMMAND|EXECIGNORE|FIGNORE|TMOUT|TEXTDOMAIN.*|LD_.*|DYLD_.*)$/;
// What providers put in front of their keys, a private key, and a token of three parts.
const secretValue =
  /^(sk|rk|pk)[-_]\w|^(gh[a-z]_|github_pat_|glpat-|npm_|hf_|xox[a-z]-|AKIA|ASIA|AIza|ya29\.|dckr_pat_|pypi-)\w{8}|-----BEGIN|^eyJ[\w-]{8,}\.[\w-]+\./;
const given = ['PATH', 'HOME', 'TERM'];

/** Why no list may hold this name, as the end of a sentence that begins with it; undefined when it may. */
export function nameProblem(name: string): string | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_]*\*?$/.test(name)) return 'is no name of a variable';
  if (/^[^_]*\*$/.test(name)) return 'stands for too much: a name must go on to an underscore before its *';
  if (given.includes(name)) return 'is given to commands anyhow';
  const bare = name.replace(/_?\*$/, '');
  if (/^(PERDURE|npm)(_|$)/i.test(bare)) return 'is ours and is never given to commands';
  if (secretName.test(bare)) return 'looks like the name of a secret, which commands never get';
  if (readByShell.test(bare)) return 'changes how a command is read or which program it finds';
  return undefined;
}

export function namesIn(list: string): string[] {
  const names = list.replace(/^\+/, '').split(',');
  return list.startsWith('+') ? [...usualNames, ...names] : names;
}

export interface CommandEnvironment {
  /** By name; PATH, HOME and TERM are not among them. */
  variables: Record<string, string>;
  /** Listed variables of this environment that commands do not get unchanged; with the reason. */
  withheld: Record<string, string>;
}

/** `own`: variables that are settings of ours. `secrets`: values known to be some. */
export function commandEnvironment(input: {
  list: string;
  environment: Readonly<Record<string, string | undefined>>;
  own: readonly string[];
  secrets: readonly string[];
}): CommandEnvironment {
  const { list, environment, own, secrets } = input;
  const names = namesIn(list);
  const isListed = (name: string): boolean =>
    names.some((each) => (each.endsWith('*') ? name.startsWith(each.slice(0, -1)) : name === each));
  const result: CommandEnvironment = { variables: {}, withheld: {} };
  for (const name of Object.keys(environment).filter(isListed).sort()) {
    const value = environment[name] ?? '';
    if (value === '') continue;
    const problem = own.includes(name)
      ? 'is a setting of ours'
      : (nameProblem(name) ?? valueProblem(name, value, secrets));
    if (problem !== undefined) result.withheld[name] = problem;
    else {
      const without = value.replace(/(\/\/)[^/\s@]*@/g, '$1');
      result.variables[name] = without;
      if (without !== value) result.withheld[name] = 'is given without the login in its address';
    }
  }
  return result;
}

function valueProblem(name: string, value: string, secrets: readonly string[]): string | undefined {
  if (secretValue.test(value) || secrets.some((secret) => secret !== '' && value.includes(secret)))
    return 'holds what looks like a secret';
  // In other encodings a byte of a letter may be a backslash or a blank: bash would read what was not judged.
  if (/^(LANG|LC_.*)$/.test(name) && !/^(C|POSIX)$|\.utf-?8(@\w+)?$/i.test(value))
    return 'names a language in an encoding other than UTF-8';
  return undefined;
}

/**
 * PATH as it was before a package manager started us: without what npm and its kin put in front for a script, and
 * without the programs of this checkout. What is relative means another place in each project, and is left out.
 */
export function pathBefore(
  environment: Readonly<Record<string, string | undefined>>,
  checkout: string,
): string {
  const entries = (environment['PATH'] ?? '').split(path.delimiter);
  const isScript = environment['npm_config_user_agent'] ?? environment['npm_execpath'];
  const last = entries.findIndex((entry) => path.basename(entry) === 'node-gyp-bin');
  // Each folder up to the root has one, then comes the folder of node-gyp.
  const inFront = entries.slice(0, Math.max(0, last)).every((entry) => entry.endsWith('/node_modules/.bin'));
  const rest = isScript !== undefined && last >= 0 && inFront ? entries.slice(last + 1) : entries;
  const ours = path.join(checkout, 'node_modules', path.sep);
  const kept = rest.filter(
    (entry) => path.isAbsolute(entry) && !(isScript !== undefined && entry.startsWith(ours)),
  );
  return kept.join(path.delimiter) || '/usr/local/bin:/usr/bin:/bin';
}
