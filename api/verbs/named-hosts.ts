// Hosts that the configuration has under a name: a rule of a policy that is being saved names them by `@name`, and the
// saved policy has the hosts themselves. So a version of a policy never changes its meaning.
import type { PolicyProfile } from '../../workflows/contracts/policy.ts';
import { type ProfileProblem, profileProblem } from '../../workflows/policy/profile-problem.ts';

export type NamedHosts = Readonly<Record<string, readonly string[]>>;

// The schema of a saved rule takes no more.
const mostHosts = 200;

export function withNamedHosts(profile: PolicyProfile, named: NamedHosts): PolicyProfile {
  const rules = profile.rules.map((rule) =>
    rule.hosts === undefined
      ? rule
      : { ...rule, hosts: [...new Set(rule.hosts.flatMap((host) => hostsOf(host, named)))] },
  );
  return { ...profile, rules };
}

/** What is wrong with a profile once its names stand for their hosts. */
export function namedProfileProblem(profile: PolicyProfile, named: NamedHosts): ProfileProblem | undefined {
  for (const [rule, { hosts = [] }] of profile.rules.entries()) {
    const unknown = hosts.findIndex((host) => host.startsWith('@') && !Object.hasOwn(named, host.slice(1)));
    if (unknown >= 0) {
      const names = Object.keys(named).map((name) => `@${name}`);
      const there = names.length === 0 ? 'the setting networks has none' : `there are ${names.join(', ')}`;
      const path = ['rules', rule, 'hosts', unknown];
      return { path, problem: `Rule ${rule + 1}: no list of hosts is called ${hosts[unknown]}; ${there}.` };
    }
    if (hosts.flatMap((host) => hostsOf(host, named)).length > mostHosts)
      return {
        path: ['rules', rule, 'hosts'],
        problem: `Rule ${rule + 1} stands for more than ${mostHosts} hosts.`,
      };
  }
  return profileProblem(withNamedHosts(profile, named));
}

function hostsOf(host: string, named: NamedHosts): readonly string[] {
  return (host.startsWith('@') ? named[host.slice(1)] : undefined) ?? [host];
}
