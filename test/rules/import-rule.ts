// What an import rule is, and the patterns that several of them use.
import type { IRegularForbiddenRuleType } from 'dependency-cruiser';

type From = IRegularForbiddenRuleType['from'];
type To = IRegularForbiddenRuleType['to'];

export interface ImportRule {
  name: string;
  comment: string;
  severity: 'error';
  from: From;
  to: To;
}

export function rule(name: string, comment: string, from: From, to: To): ImportRule {
  return { name, comment, severity: 'error', from, to };
}

export const outsidePackages = '(^|/)node_modules/';
export const temporal = '(^|/)node_modules/@temporalio/';
export const builtIn: To = { dependencyTypes: ['core'] };
