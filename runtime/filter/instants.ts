/** Times as texts of RFC 3339. */

const form = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?)?$/;

/**
 * Milliseconds since 1970 of a date (its first moment) or a time, right to the microsecond; one without an offset is in
 * UTC. Undefined for what is no such text, or names a day or hour that there is not.
 */
export function instantOf(text: string): number | undefined {
  const parts = form.exec(text);
  if (!parts) return undefined;
  const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "", zone = "Z"] = parts;
  const whole = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const local = Date.parse(`${whole}Z`);
  // Date.parse takes the 31st of a month of 30 days for the next month's first.
  if (Number.isNaN(local) || new Date(local).toISOString().slice(0, 10) !== whole.slice(0, 10))
    return undefined;
  const instant = Date.parse(`${whole}${zone.toUpperCase()}`);
  return Number.isNaN(instant) ? undefined : instant + Number(`0${fraction}`) * 1000;
}
