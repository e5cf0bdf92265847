import assert from 'node:assert/strict';
import { test } from 'node:test';
import { totalCents } from './cart.js';

const books = { priceCents: 1250, quantity: 2 };
const pen = { priceCents: 300, quantity: 1 };

test('an empty cart costs nothing', () => {
  assert.equal(totalCents([]), 0);
});

test('quantities count', () => {
  assert.equal(totalCents([books, pen]), 2800);
});

test('a discount is a percentage of the whole', () => {
  assert.equal(totalCents([books, pen], 10), 2520);
});
