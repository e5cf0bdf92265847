// The settings of a bucket for large content. Its credentials are found by Amazon's own package, never here.
import { z } from 'zod';
import { address, note } from './setting-kinds.ts';

export const s3Settings = z
  .strictObject({
    bucket: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket, such as perdure-contents')
      .optional()
      .meta(
        note(
          'Keeps what is larger than a mebibyte, and the documents of PERDURE_KEEP_STATE, in this bucket of S3 and not in the data folder. Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role of the machine.',
        ),
      ),
    region: z
      .string()
      .regex(/^[a-z0-9-]+$/, 'must look like eu-central-1')
      .default('us-east-1')
      .meta(note('Where that bucket is; servers other than Amazon take any.')),
    endpoint: address().meta(note("The server of that bucket, when it is not Amazon's.")),
    prefix: z
      .string()
      .regex(/^([\w.-]+\/)*$/, 'must be empty or end with a slash, such as perdure/')
      .max(200)
      .default('')
      .meta(note('In front of all names in that bucket: databases that share one need a prefix each.')),
    pathStyle: z
      .enum(['on', 'off'])
      .default('off')
      .meta(
        note('Names the bucket in the path and not in the host, as many servers other than Amazon want.'),
      ),
  })
  .prefault({});
