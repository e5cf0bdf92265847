// Which variables of the user's environment the commands of tools get: those of a list, and never a key. Reads nothing:
// it is given the environment.
import path from 'node:path';
import { nameProblem, valueProblem, withoutLogin } from '../../workflows/contracts/command-variables.ts';

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
      const without = withoutLogin(value);
      result.variables[name] = without;
      if (without !== value) result.withheld[name] = 'is given without the login in its address';
    }
  }
  return result;
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
