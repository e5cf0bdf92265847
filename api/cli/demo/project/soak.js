// Checks random carts for some seconds: node soak.js [SECONDS]. It reads and computes, and changes nothing.
import { totalCents } from './cart.js';

const seconds = Number(process.argv[2] ?? 10);
const until = Date.now() + seconds * 1000;
const upTo = (most) => Math.floor(Math.random() * (most + 1));

let carts = 0;
while (Date.now() < until) {
  for (let count = 0; count < 1000; count += 1) checkOneCart();
  console.log(`${carts} carts, every total is right`);
  await new Promise((resolve) => setTimeout(resolve, 500));
}

function checkOneCart() {
  const items = Array.from({ length: upTo(5) }, () => ({ priceCents: upTo(10_000), quantity: upTo(9) }));
  const discount = upTo(100);
  const full = totalCents(items);
  const total = totalCents(items, discount);
  // Half a cent either way is rounding.
  if (Math.abs(total * 100 - full * (100 - discount)) > 50) {
    throw new Error(`${full} cents with ${discount} % off cannot be ${total} cents`);
  }
  carts += 1;
}
