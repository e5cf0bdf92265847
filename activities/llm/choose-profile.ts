// Which profile a server's requests have: by the configuration for the model, else by its address.
import { type ProfileName, type Taken, takenBy } from './server-profiles.ts';

/** What a configuration says of one model, or of all of a provider as `provider/*`. */
export type ProfileOverride = Partial<Taken> & {
  profile?: ProfileName | undefined;
  /** Its longest answer in tokens, always sent. */
  longestAnswer?: number | undefined;
  /** How much prompt and answer its server takes, in tokens. */
  contextWindow?: number | undefined;
};
export type ProfileOverrides = Readonly<
  Record<string, { [Key in keyof ProfileOverride]: ProfileOverride[Key] | undefined }>
>;

export interface ServerProfile extends Taken {
  name: ProfileName;
  longestAnswer?: number | undefined;
  contextWindow?: number | undefined;
}

/** Which server is asked: what it takes, and the name under which what it said was kept. */
export interface Addressee {
  profile: ServerProfile;
  source: string;
}

export interface Profiles {
  /** For people: what counts where no model is named, and why. */
  about: { name: string; why: string; byModel: Record<string, string> };
  of(model: string): ServerProfile;
}

const hosts: [RegExp, ProfileName][] = [
  [/(^|\.)openai\.(com|azure\.com)$/, 'openai'],
  [/(^|\.)anthropic\.com$/, 'anthropic'],
  [/(^|\.)googleapis\.com$/, 'gemini'],
  [/(^|\.)mistral\.ai$/, 'mistral'],
  [/(^|\.)deepseek\.com$/, 'deepseek'],
  [/(^|\.)(moonshot\.(ai|cn)|kimi\.com)$/, 'kimi'],
  [/(^|\.)openrouter\.ai$/, 'openrouter'],
];

// The ports these servers listen on when nothing else is said.
const ports: Record<string, ProfileName> = {
  '11434': 'ollama',
  '1234': 'lmstudio',
  '8000': 'vllm',
  '8080': 'llamacpp',
};

const ownProfiles: Record<string, ProfileName> = {
  openai: 'openai',
  anthropic: 'anthropic',
  google: 'gemini',
};

export function chooseProfiles(
  provider: string,
  baseUrl: string | undefined,
  overrides: ProfileOverrides = {},
): Profiles {
  const found = byAddress(provider, baseUrl);
  const everywhere = ownOf(overrides, `${provider}/*`);
  const named = Object.keys(overrides).filter(
    (name) => name.startsWith(`${provider}/`) && name !== `${provider}/*`,
  );
  const of = (model: string): ServerProfile => {
    const { profile, ...own } = { ...everywhere, ...ownOf(overrides, `${provider}/${model}`) };
    const name = profile ?? found.name;
    const given = Object.entries(own).filter(([, value]) => value !== undefined);
    // Over the chat format there is no vendor's package to make these parts.
    const chat = provider === 'compatible' && takenBy(name).reasoning === 'package';
    const plain: Partial<Taken> = chat ? { reasoning: 'none', partsAfterResult: false } : {};
    return { ...takenBy(name), ...plain, ...Object.fromEntries(given), name };
  };
  const name = everywhere?.profile ?? found.name;
  return {
    about: {
      name,
      why: everywhere?.profile === undefined ? found.why : 'by the configuration',
      byModel: Object.fromEntries(
        named.map((each) => [each, of(each.slice(provider.length + 1)).name] as const),
      ),
    },
    of,
  };
}

function ownOf(overrides: ProfileOverrides, name: string): ProfileOverrides[string] | undefined {
  return Object.hasOwn(overrides, name) ? overrides[name] : undefined;
}

function byAddress(provider: string, baseUrl: string | undefined): { name: ProfileName; why: string } {
  const own = ownProfiles[provider];
  if (own !== undefined) return { name: own, why: 'its own API' };
  if (baseUrl === undefined || !URL.canParse(baseUrl)) return { name: 'compatible', why: 'no base URL' };
  const { hostname, port } = new URL(baseUrl);
  const byHost = hosts.find(([pattern]) => pattern.test(hostname))?.[1];
  if (byHost !== undefined) return { name: byHost, why: `by the host ${hostname}` };
  const byPort = ports[port];
  if (byPort !== undefined) return { name: byPort, why: `by the port ${port}` };
  return { name: 'compatible', why: 'neither host nor port is known' };
}
