// Leaves out the fields of a body or a query that are there and undefined.
export type Present<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };

export function present<Fields extends object>(fields: Fields): Present<Fields> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Present<Fields>;
}
