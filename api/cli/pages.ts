// Reads as many items of a list as a person asked for, which may be more than the API gives at once.

interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

// The most that the API gives at once.
const mostAtOnce = 200;

/** As one page: `nextCursor` says where more would go on. */
export async function readPages<Item>(
  limit: number,
  read: (query: { limit: number; cursor?: string }) => Promise<Page<Item>>,
): Promise<Page<Item>> {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const wanted = Math.min(limit - items.length, mostAtOnce);
    const page: Page<Item> = await read({ limit: wanted, ...(cursor !== null && { cursor }) });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null && items.length < limit);
  return { items, nextCursor: cursor };
}
