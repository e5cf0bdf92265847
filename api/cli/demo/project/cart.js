// What a cart costs, in cents.
export function totalCents(items, discountPercent = 0) {
  const sum = items.reduce((cents, item) => cents + item.priceCents * item.quantity, 0);
  return sum - discountPercent;
}
