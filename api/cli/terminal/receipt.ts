// Says what has become of a message into a run.
import type { ReceiptView } from '../../../workflows/contracts/receipt.ts';
import { printableLine } from './printable.ts';
import { shortId } from './short-id.ts';
import type { Cli } from '../surroundings.ts';

export function sayReceipt(cli: Cli, receipt: ReceiptView, meaning: string, json: boolean | undefined): void {
  if (json) return cli.output.json(receipt);
  const message = printableLine(receipt.messageId, 80);
  const step = receipt.step === null ? '' : ` at step ${receipt.step}`;
  const what =
    receipt.status === 'accepted' ? `accepted: ${meaning}` : `${receipt.status}${step}${toBecame(receipt)}`;
  // Which run it is: the command may have said `last`.
  cli.output.line(`run ${shortId(receipt.runId)}: ${what} (message ${message})`);
}

function toBecame({ became }: ReceiptView): string {
  return became === undefined ? '' : `; it has become run ${shortId(became)}`;
}
