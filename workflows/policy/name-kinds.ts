// Names of files that rules of every effect speak of, by kind, each kind with its reason: what may hold secrets, and what
// runs later by itself. Names are a tripwire, no wall: a copy under another name is not seen. Only a sandbox contains.

export interface NameKind {
  /** What makes the file one of this kind; a clause. */
  why: string;
  /** Globs in the language of rules. */
  names: readonly string[];
  examples: { match: string[]; noMatch: string[] };
  /** Only for the tools that write files: globs such as *.py, which every command has, might always be such a name. */
  onlyWrites?: true;
}

/** What is read goes to the provider of the model, so that neither reading nor writing is for an agent. */
export const secretNames: readonly NameKind[] = [
  {
    why: 'environment files hold keys and passwords',
    names: [
      '**/.env',
      // The examples that people commit hold none.
      '**/.env.!(example|sample|template|dist)',
      '**/.env[-_]*',
      '**/*.env',
      '**/.{envrc,flaskenv,dev.vars}',
      '**/.{envrc,dev.vars}.!(example|sample|template|dist)',
    ],
    examples: {
      match: ['.env', './config/.env.local', 'prod.env', 'api/.dev.vars', '.dev.vars.staging', '.envrc'],
      noMatch: ['.env.example', '.dev.vars.example', 'src/env.ts', '.environment'],
    },
  },
  {
    why: 'it is named after the secrets in it',
    names: [
      '**/{secrets,.secrets}/**',
      '**/{secret,secrets,.secret,.secrets}.{json,yaml,yml,toml,ini,properties,xml,csv,txt}',
      '**/*.{secret,secrets}',
      '**/{credentials,.credentials}',
      '**/{credentials,.credentials}.{json,yaml,yml,toml,ini,xml,csv,txt}',
      '**/{client_secret,service-account,service_account,serviceaccount,google-credentials,gha-creds-}*.json',
      '**/*-firebase-adminsdk-*.json',
      '**/application_default_credentials.json',
    ],
    examples: {
      match: ['secrets/deploy/token', 'a/credentials.json', 'conf/secrets.yml', 'service-account-prod.json'],
      noMatch: ['src/secrets.ts', 'docs/credentials.md', 'src/service-account.ts'],
    },
  },
  {
    why: 'it is a private key, or a store of keys or passwords',
    names: [
      '**/*.{pem,key,p8,p12,pfx,pkcs12,ppk,jks,keystore,kdb,kdbx,keychain,keychain-db,ovpn}',
      '**/id_{rsa,dsa,ecdsa,ed25519,ecdsa_sk,ed25519_sk}',
      '**/id_{rsa,dsa,ecdsa,ed25519}[-._]!(pub|*.pub)',
      '**/ssh_host_*_key',
      '**/secring.{gpg,pgp,asc,bak}',
      '**/.{ssh,gnupg,password-store}/**',
    ],
    examples: {
      match: ['deploy/id_ed25519', 'id_rsa_work', 'certs/server.key', 'team.kdbx', '.ssh/config'],
      noMatch: ['id_rsa.pub', 'deploy/id_rsa_work.pub', 'src/key.ts'],
    },
  },
  {
    why: 'a program keeps its login there',
    names: [
      '**/{.netrc,_netrc,.npmrc,.pypirc,.pgpass,pgpass.conf,.my.cnf,.mylogin.cnf,.git-credentials}',
      '**/{.htpasswd,.s3cfg,.boto,.dockercfg,.vault-token,.databrickscfg,rclone.conf,.terraformrc,terraform.rc}',
      '**/{kubeconfig,*.kubeconfig,auth.json,*.publishsettings,azureauth.json}',
      '**/.{aws,azure,kube,perdure}/**',
      '**/.docker/config.json',
      '**/.config/{gcloud,gh,hub,op,rclone,doctl}/**',
      '**/.terraform.d/credentials.tfrc.json',
      '**/.m2/settings.xml',
      '**/.local/share/keyrings/**',
      // The address of a remote may hold a token. A submodule and a linked work tree have settings of their own.
      '**/.git/**/{config,config.worktree}',
    ],
    examples: {
      match: ['.npmrc', 'a/.pypirc', '.kube/config', '.config/gcloud/x.db', '.perdure/token', '.git/config'],
      noMatch: ['npmrc.md', '.config/prettier.json', '.docker/Dockerfile', 'src/auth.ts'],
    },
  },
  {
    why: 'infrastructure keeps secrets in plain text there',
    names: [
      '**/*.{tfvars,tfvars.json,tfstate}',
      '**/*.tfstate.{backup,bak,old}',
      '**/*.tfstate.*.backup',
      '**/terraform.tfstate.d/**',
      '**/{.vault_pass,.vault-pass,.vault_password,.vault-password,vault_pass,vault_password}',
      '**/{vault_pass,vault_password}.txt',
      '**/.vault{_,-}pass*.*',
    ],
    examples: {
      match: ['terraform.tfvars', 'prod.auto.tfvars', 'terraform.tfstate.backup', '.vault_pass.txt'],
      noMatch: ['terraform.tfvars.example', 'main.tf'],
    },
  },
  {
    why: 'it shows what was typed, or what a program was started with, passwords among it',
    names: [
      '**/.{bash,zsh,sh,python,node_repl,psql,mysql,sqlite,rediscli}_history',
      // It holds the worker's own keys, too.
      '**/proc/**/environ',
    ],
    examples: { match: ['.bash_history', 'proc/1/environ'], noMatch: ['src/history.ts'] },
  },
];

// Left out on purpose, because writing them is what an agent is asked to do: sources and tests, package.json,
// pyproject.toml, conftest.py, Makefile, Dockerfile, compose files and the settings of builds, linters and lint-staged.
// They run when the project is built or tested, which the agent may do itself. AGENTS.md and its like are left out too:
// they are text, and the profile of the run that reads them decides what comes of it. So are node_modules/.bin and a
// virtual environment's programs: commands name them all the time in order to run them.

/** Writing one of these decides what a person, or a machine with more rights, runs later without having looked. */
export const laterNames: readonly NameKind[] = [
  {
    why: 'a shell or a program runs it when it starts or enters the folder',
    names: [
      '**/.envrc',
      '**/.{bashrc,bash_profile,bash_login,bash_logout,bash_aliases,profile,login,logout}',
      '**/.{zshrc,zshenv,zprofile,zlogin,zlogout,kshrc,cshrc,tcshrc,xinitrc,xprofile}',
      '**/.xsess*',
      '**/.config/{fish,nushell,autostart}/**',
      '**/{mise,.mise,mise.local,.mise.local}.toml',
      '**/.{exrc,vimrc,nvimrc,nvim.lua,emacs,dir-locals.el,gdbinit,lldbinit,inputrc,tmux.conf,screenrc}',
      '**/.{Rprofile,irbrc,pryrc,pythonrc,psqlrc,sqliterc}',
    ],
    examples: { match: ['.envrc', 'home/.bashrc', '.ZSHRC'], noMatch: ['docs/bashrc.md', 'profile.ts'] },
  },
  {
    why: 'git runs or obeys it, or a tool puts it into git’s hooks',
    names: [
      '**/{.husky,.githooks,.git-hooks,.lefthook}/**',
      '**/{lefthook,.lefthook,lefthook-local,.lefthook-local}.{yml,yaml,toml,json}',
      '**/.pre-commit-{config,hooks}.{yml,yaml}',
      '**/.overcommit.yml',
      '**/.simple-git-hooks.{json,js,cjs}',
      '**/.lintstagedrc*',
      '**/.{gitmodules,gitattributes,gitconfig}',
      '**/.config/git/**',
    ],
    examples: {
      match: [
        '.husky/pre-commit',
        '.githooks/x',
        'lefthook.yml',
        '.pre-commit-config.yaml',
        '.gitattributes',
      ],
      noMatch: ['.gitignore', 'src/hooks/use-cart.ts'],
    },
  },
  {
    why: 'an editor runs it, or what it names, when the project is opened or started',
    names: [
      '**/.vscode/{tasks,launch,settings,mcp}.json',
      '**/*.{code-workspace,sublime-project}',
      '**/.idea/runConfigurations/**',
      '**/.idea/{workspace,watcherTasks,externalDependencies,startup}.xml',
      '**/.run/**',
      '**/.zed/{tasks,settings,debug}.json',
      '**/.{devcontainer,fleet}/**',
      '**/{.devcontainer.json,.gitpod.yml,.gitpod.yaml,.gitpod.Dockerfile,.replit}',
    ],
    examples: {
      match: ['.vscode/tasks.json', '.idea/runConfigurations/a.xml', '.devcontainer/devcontainer.json'],
      noMatch: ['.vscode/extensions.json', '.editorconfig'],
    },
  },
  {
    why: 'a build server runs it with rights and secrets of its own',
    names: [
      '**/.{github,gitea,forgejo}/{workflows,actions}/**',
      '**/{.gitlab-ci,.travis,.drone,.woodpecker,.cirrus,appveyor,.appveyor,buildspec,cloudbuild}.{yml,yaml}',
      '**/{azure-pipelines,bitbucket-pipelines}*.{yml,yaml}',
      '**/.gitlab/ci/**',
      '**/.{circleci,buildkite,woodpecker,semaphore,teamcity,tekton,azuredevops,azure-pipelines}/**',
      '**/Jenkinsfile',
      '**/Jenkinsfile.{groovy,ci,release,deploy}',
    ],
    examples: {
      match: ['.github/workflows/ci.yml', '.gitlab-ci.yml', 'Jenkinsfile', '.circleci/config.yml'],
      noMatch: ['.github/ci.yml', '.github/CODEOWNERS', 'src/workflows/order.ts'],
    },
  },
  {
    why: 'a package manager takes from it which programs it runs',
    names: [
      '**/{.npmrc,.yarnrc,.yarnrc.yml,.corepack.env,bunfig.toml,.bunfig.toml,pip.conf,pip.ini,.gemrc,.condarc}',
      '**/.pnpmfile.{cjs,js,mjs}',
      '**/.yarn/{releases,plugins}/**',
      '**/.cargo/{config,config.toml}',
      '**/.bundle/config',
      '**/.mvn/**',
      '**/gradle/wrapper/**',
      '**/.gradle/{init.gradle,gradle.properties}',
    ],
    examples: {
      match: ['.yarnrc.yml', '.pnpmfile.cjs', '.cargo/config.toml', '.mvn/jvm.config'],
      noMatch: ['package.json', 'Cargo.toml', 'pnpm-workspace.yaml', 'build.gradle'],
    },
  },
  {
    why: 'Python runs it at each start',
    names: ['**/{sitecustomize,usercustomize}.py', '**/{site,dist}-packages/*.pth'],
    examples: { match: ['sitecustomize.py', 'x/site-packages/a.pth'], noMatch: ['conftest.py', 'model.pth'] },
    onlyWrites: true,
  },
  {
    why: 'it says what another agent may do, and which programs it starts',
    names: [
      '**/{.mcp.json,mcp.json,opencode.json,.aider.conf.yml}',
      '**/.{claude,codex,cursor,gemini,windsurf,continue,roo,kiro,amazonq,opencode}/**',
    ],
    examples: { match: ['.mcp.json', '.claude/settings.json', '.cursor/mcp.json'], noMatch: ['AGENTS.md'] },
  },
  {
    why: 'the system runs it on its own, at a time or at its start',
    names: [
      '**/*.{service,timer}',
      '**/systemd/**',
      '**/{crontab,.crontab,rc.local}',
      '**/{crontabs,cron.d,cron.hourly,cron.daily,cron.weekly,cron.monthly,init.d}/**',
      '**/Library/Launch{Agents,Daemons}/**',
    ],
    examples: {
      match: ['deploy/app.service', 'etc/cron.d/x'],
      noMatch: ['src/user.service.ts', 'src/cron.ts'],
    },
  },
];

/** Git's own folder: nothing in it is for an agent to write or to hand to programs. */
export const gitFolder: NameKind = {
  why: 'git runs or obeys what is written there',
  names: ['**/.git', '**/.git/**'],
  examples: {
    match: ['.git', '.git/hooks/pre-commit', 'lib/.git', './.git', '/project/.git'],
    noMatch: ['.github/ci.yml', '.gitignore'],
  },
};
