// How every connection to Temporal is made: where it is, TLS, and the key. Read at each connection, so that renewed
// certificates need no more than a restart.
import { readFileSync } from 'node:fs';
import type { Settings } from './config/settings.ts';

export type TemporalPlace = { temporalAddress: string } & Partial<
  Pick<
    Settings,
    | 'temporalTls'
    | 'temporalTlsCaFile'
    | 'temporalTlsCertFile'
    | 'temporalTlsKeyFile'
    | 'temporalTlsServerName'
    | 'temporalApiKey'
  >
>;

export interface ConnectionOptions {
  address: string;
  tls: boolean | TlsOptions;
  apiKey?: string;
}

interface TlsOptions {
  serverRootCACertificate?: Buffer;
  serverNameOverride?: string;
  clientCertPair?: { crt: Buffer; key: Buffer };
}

function read(file: string, variable: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${variable} names ${file}, which cannot be read (${code}).`);
  }
}

export function connectionOptions(place: TemporalPlace): ConnectionOptions {
  const { temporalTlsCaFile: ca, temporalTlsCertFile: crt, temporalTlsKeyFile: key } = place;
  const { temporalTlsServerName: name, temporalApiKey: apiKey } = place;
  const tls: TlsOptions = {
    ...(ca !== undefined && { serverRootCACertificate: read(ca, 'PERDURE_TEMPORAL_TLS_CA_FILE') }),
    ...(name !== undefined && { serverNameOverride: name }),
    ...(crt !== undefined &&
      key !== undefined && {
        clientCertPair: {
          crt: read(crt, 'PERDURE_TEMPORAL_TLS_CERT_FILE'),
          key: read(key, 'PERDURE_TEMPORAL_TLS_KEY_FILE'),
        },
      }),
  };
  // A key never travels in the clear.
  const isOn = place.temporalTls === 'on' || apiKey !== undefined || Object.keys(tls).length > 0;
  return { address: place.temporalAddress, tls: isOn && tls, ...(apiKey !== undefined && { apiKey }) };
}
