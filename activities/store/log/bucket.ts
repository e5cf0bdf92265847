// A bucket of S3, or of a server that speaks its language, as a place of large content. The package is loaded when it is
// first needed, and finds its credentials by its own chain: environment, files of the user, the machine's role.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type * as Sdk from '@aws-sdk/client-s3';
import { sql } from 'kysely';
import type { Queries } from '../db/database.ts';
import { type Content, type FoundContent, keyOf, nameOf, type Place } from './place.ts';

export interface BucketSettings {
  bucket: string;
  region: string;
  /** Of a server that is not Amazon's. */
  endpoint?: string | undefined;
  /** In front of every name; the rest of the bucket is not looked at. */
  prefix: string;
  /** Of a server that has no name for each bucket. */
  pathStyle: 'on' | 'off';
}

export interface Bucket extends Place {
  /** These throw BucketAway: where it cannot be written to, */
  tryOut(): Promise<void>;
  /** and where it does not answer. */
  ask(): Promise<void>;
}

/** An outage like one of Postgres, whatever the reason: what is to be stored waits until the bucket can be used. */
export class BucketAway extends Error {
  readonly code = 'EBUCKET';
}

// A put may be part of a transaction, which Postgres ends after 15 idle seconds: two tries of these fit.
const connectMs = 2_000;
const silenceMs = 5_000;
const tries = 2;
// As many as S3 lists at once.
const perPage = 1000;

interface Opened {
  sdk: typeof Sdk;
  client: Sdk.S3Client;
  /** Where that name is. */
  at(name: string): { Bucket: string; Key: string };
}

/** `queries`: they tell which database it is whose content lies here. */
export function createBucket(settings: BucketSettings, queries: Queries): Bucket {
  const { bucket: Bucket, prefix } = settings;
  let opened: Promise<Opened> | undefined;

  /** The first use makes sure that the place is ours: what another database has there must not be removed. */
  async function use<T>(act: (opened: Opened) => Promise<T>): Promise<T> {
    // What was in vain is tried again by the next use.
    opened ??= openOwn(settings, queries).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    try {
      return await act(await opened);
    } catch (error) {
      if (error instanceof BucketAway) throw error;
      throw new BucketAway(`The bucket ${Bucket} of PERDURE_S3_BUCKET cannot be used: ${reasonOf(error)}`);
    }
  }

  const place: Bucket = {
    put: (key, content) => use((own) => write(own, nameOf(key), content)),
    has: (key) =>
      use(async ({ sdk, client, at }) => {
        const head = new sdk.HeadObjectCommand(at(nameOf(key)));
        return (await unlessMissing(() => client.send(head))) !== undefined;
      }),
    async get(key) {
      const bytes = await use((own) => read(own, nameOf(key)));
      if (bytes === undefined || createHash('sha256').update(bytes).digest('hex') === key) return bytes;
      throw new Error(`Content ${key} in the bucket ${Bucket} is not what was put there: its hash differs.`);
    },
    remove: (name) => use((own) => remove(own, name)),
    async *found(before) {
      let ContinuationToken: string | undefined;
      do {
        const list = { Bucket, Prefix: prefix, MaxKeys: perPage, ContinuationToken };
        const page = await use(({ sdk, client }) => client.send(new sdk.ListObjectsV2Command(list)));
        const objects = page.Contents ?? [];
        yield objects.flatMap((object) => foundOf(object, { place, prefix, before }));
        ContinuationToken = page.NextContinuationToken;
      } while (ContinuationToken !== undefined);
    },
    ask: () => use(async (own) => void (await read(own, 'owner'))),
    tryOut: () =>
      use(async (own) => {
        await write(own, 'probe', Buffer.from('written at a start'));
        await remove(own, 'probe');
      }),
  };

  return place;
}

async function open({ bucket, region, endpoint, prefix, pathStyle }: BucketSettings): Promise<Opened> {
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client({
    region,
    ...(endpoint !== undefined && { endpoint }),
    forcePathStyle: pathStyle === 'on',
    maxAttempts: tries,
    requestHandler: { connectionTimeout: connectMs, socketTimeout: silenceMs },
    // Servers that are not Amazon's store the checksum behind a streamed body as a part of it.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return { sdk, client, at: (name) => ({ Bucket: bucket, Key: `${prefix}${name}` }) };
}

async function openOwn(settings: BucketSettings, queries: Queries): Promise<Opened> {
  const own = await open(settings);
  const identity = await identityOf(queries);
  const owner = (await read(own, 'owner'))?.toString();
  if (owner === undefined) await write(own, 'owner', Buffer.from(identity));
  if ((owner ?? (await read(own, 'owner'))?.toString()) === identity) return own;
  throw new BucketAway(
    `The bucket ${settings.bucket} of PERDURE_S3_BUCKET is another database's, as its object ${settings.prefix}owner says: set PERDURE_S3_PREFIX to a prefix of its own, or delete that object if this database has taken the other's place.`,
  );
}

function read({ sdk, client, at }: Opened, name: string): Promise<Buffer | undefined> {
  return unlessMissing(async () => {
    const { Body } = await client.send(new sdk.GetObjectCommand(at(name)));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  });
}

async function write({ sdk, client, at }: Opened, name: string, content: Content): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      await client.send(new sdk.PutObjectCommand({ ...at(name), ...bodyOf(content) }));
      return;
    } catch (error) {
      // Bytes the package sends again itself; a file is read anew.
      if (Buffer.isBuffer(content) || tried === tries || !isPassing(error)) throw error;
    }
  }
}

async function remove({ sdk, client, at }: Opened, name: string): Promise<void> {
  await client.send(new sdk.DeleteObjectCommand(at(name)));
}

/** What has no name of content is not ours to remove. */
function foundOf(
  { Key = '', Size = 0, LastModified }: Sdk._Object,
  { place, prefix, before }: { place: Place; prefix: string; before: Date },
): FoundContent[] {
  const name = Key.slice(prefix.length);
  const key = keyOf(name);
  if (key === undefined || name !== nameOf(key) || !LastModified || LastModified >= before) return [];
  return [{ place, name, key, bytes: Size }];
}

function bodyOf(content: Content) {
  if (Buffer.isBuffer(content)) return { Body: content, ContentLength: content.length };
  return { Body: createReadStream(content.file), ContentLength: content.size };
}

function statusOf(error: unknown): number | undefined {
  return (error as Partial<Sdk.S3ServiceException>).$metadata?.httpStatusCode;
}

/** Another try may go well: the server is in trouble, or did not answer. */
function isPassing(error: unknown): boolean {
  const status = statusOf(error);
  return status === undefined || status >= 500 || status === 429;
}

/** Not there is an answer; a bucket that is not there is none. */
async function unlessMissing<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket') return undefined;
    throw error;
  }
}

/** Names and statuses alone say enough; what a server writes beside them is not ours to repeat. */
function reasonOf(error: unknown): string {
  const { name, code, message } = error as Error & { code?: string };
  const status = statusOf(error);
  if (status !== undefined) return `it answered ${status}${name === '' ? '' : ` (${name})`}.`;
  if (name === 'CredentialsProviderError')
    return 'no credentials were found for it (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role of this machine).';
  return `it could not be reached (${code ?? message}).`;
}

/** Which database it is: a copy of it elsewhere is another, and must not remove what it does not know. */
async function identityOf(queries: Queries): Promise<string> {
  const { rows } = await sql<{ identity: string }>`
    select concat_ws('/', system_identifier, current_database(), current_schema()) as identity
    from pg_control_system()`.execute(queries);
  return rows[0]?.identity ?? '';
}
