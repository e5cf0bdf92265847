// Settings that make sense only together, or only without each other.
import type { Settings } from './settings.ts';

/** What is given half or twice, in one sentence; undefined when all of it fits. */
export function combinationProblem(config: Settings): string | undefined {
  if (config.compatibleApiKey !== undefined && config.compatibleBaseUrl === undefined)
    return 'PERDURE_COMPATIBLE_API_KEY is given without PERDURE_COMPATIBLE_BASE_URL: set both.';
  if ((config.temporalTlsCertFile === undefined) !== (config.temporalTlsKeyFile === undefined))
    return 'PERDURE_TEMPORAL_TLS_CERT_FILE and PERDURE_TEMPORAL_TLS_KEY_FILE belong together: set both or none.';
  if (config.temporalUiUpstream !== undefined && config.temporalUiLink !== undefined)
    return 'PERDURE_TEMPORAL_UI_UPSTREAM shows the Web UI and PERDURE_TEMPORAL_UI_LINK links it: set one of them.';
  const { workerOnly, databaseUrl, temporalAddress } = config;
  if (workerOnly === 'on' && (databaseUrl === undefined || temporalAddress === undefined))
    return '--worker-only joins an installation that runs elsewhere: set DATABASE_URL and TEMPORAL_ADDRESS to its database and its Temporal server.';
  const { bucket, endpoint, prefix } = config.s3;
  if (bucket === undefined && (endpoint !== undefined || prefix !== ''))
    return 'PERDURE_S3_ENDPOINT and PERDURE_S3_PREFIX are for a bucket: set PERDURE_S3_BUCKET too, or take them away.';
  const [first] =
    config.temporalAddress === undefined ? ofOwnServer.filter(([, given]) => given(config)) : [];
  return (
    first &&
    `${first[0]} is for a Temporal server that already runs: set TEMPORAL_ADDRESS too, or take it away.`
  );
}

const ofOwnServer: readonly [string, (config: Settings) => boolean][] = [
  ['PERDURE_TEMPORAL_UI_UPSTREAM', ({ temporalUiUpstream }) => temporalUiUpstream !== undefined],
  ['PERDURE_TEMPORAL_UI_LINK', ({ temporalUiLink }) => temporalUiLink !== undefined],
  ['PERDURE_TEMPORAL_TLS', ({ temporalTls }) => temporalTls === 'on'],
  ['PERDURE_TEMPORAL_TLS_CA_FILE', ({ temporalTlsCaFile }) => temporalTlsCaFile !== undefined],
  ['PERDURE_TEMPORAL_TLS_CERT_FILE', ({ temporalTlsCertFile }) => temporalTlsCertFile !== undefined],
  ['PERDURE_TEMPORAL_TLS_SERVER_NAME', ({ temporalTlsServerName }) => temporalTlsServerName !== undefined],
  ['PERDURE_TEMPORAL_API_KEY', ({ temporalApiKey }) => temporalApiKey !== undefined],
];
