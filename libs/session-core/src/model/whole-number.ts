const DIGITS = /^-?\d{1,16}$/;

/**
 * The whole number that text writes in decimal digits, negative ones with `-`. Null for all else that `Number` would take: blanks, `+`, a point, an
 * exponent, another base, nothing; and for what a number cannot hold exactly.
 */
export function readWholeNumber(text: string): number | null {
  if (!DIGITS.test(text)) return null;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number + 0 : null; // -0 is 0
}
