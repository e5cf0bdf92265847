import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connectionOptions } from '../../worker/temporal-connection.ts';

const temporalAddress = 'temporal:7233';

test('a connection is plain until anything about TLS or a key is given', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = (name: string): string => {
    writeFileSync(path.join(folder, name), name);
    return path.join(folder, name);
  };
  const address = temporalAddress;
  expect(connectionOptions({ temporalAddress })).toEqual({ address, tls: false });
  expect(connectionOptions({ temporalAddress, temporalTls: 'on' })).toEqual({ address, tls: {} });
  const temporalApiKey = 'k';
  expect(connectionOptions({ temporalAddress, temporalApiKey })).toEqual({ address, tls: {}, apiKey: 'k' });
  const temporalTlsServerName = 'temporal.example.com';
  const files = {
    temporalTlsCaFile: file('ca'),
    temporalTlsCertFile: file('crt'),
    temporalTlsKeyFile: file('key'),
  };
  expect(connectionOptions({ temporalAddress, temporalTlsServerName, ...files })).toEqual({
    address,
    tls: {
      serverNameOverride: temporalTlsServerName,
      serverRootCACertificate: Buffer.from('ca'),
      clientCertPair: { crt: Buffer.from('crt'), key: Buffer.from('key') },
    },
  });
  const gone = path.join(folder, 'gone');
  expect(() => connectionOptions({ temporalAddress, temporalTlsCaFile: gone })).toThrow(
    `PERDURE_TEMPORAL_TLS_CA_FILE names ${gone}, which cannot be read (ENOENT).`,
  );
});
