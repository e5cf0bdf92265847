// A policy profile as a YAML file, in and out.
import { stringify } from 'yaml';
import { PolicyProfile, PolicyRule } from '../workflows/contracts/policy.ts';
import { type NamedHosts, namedProfileProblem, withNamedHosts } from './verbs/named-hosts.ts';
import { type Path, readYaml, type YamlProblem } from './yaml-file.ts';

export type PolicyFile = { profile: PolicyProfile } | YamlProblem;

/** `named`: the lists of hosts that rules may name. */
export function readPolicyFile(text: string, named: NamedHosts = {}): PolicyFile {
  const read = readYaml(text, {
    schema: PolicyProfile,
    noun: 'profile',
    knownKeys,
    problemOf: (profile) => namedProfileProblem(profile, named),
  });
  return 'value' in read ? { profile: withNamedHosts(read.value, named) } : read;
}

export function writePolicyFile(profile: PolicyProfile): string {
  // As wide as the longest line of our own files.
  return stringify(profile, { lineWidth: 110 });
}

function knownKeys(path: Path): string {
  if (path.length === 0) return `; there are ${Object.keys(PolicyProfile.shape).join(', ')}`;
  const isRule = path.length === 2 && path[0] === 'rules';
  return isRule ? `; there are ${Object.keys(PolicyRule.shape).join(', ')}` : '';
}
