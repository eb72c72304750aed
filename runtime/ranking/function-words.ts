/** English words that say little of a text's subject: where they are all that a text and a question share, it is no match. */
export const functionWords: ReadonlySet<string> = new Set(
  `a about all also am an and any are as at be been but by can could did do does for from had has have he her his how i
  if in into is it its me my no not of on or our she should so some than that the their them then there these they this
  to up us was we were what when where which who whom whose why will with would you your`.split(/\s+/),
);
