/**
 * The transform `bucket` as SQL: MurmurHash3 (x86, 32 bits, seed 0) of a value's bytes, as Iceberg's Appendix B "32-bit Hash
 * Requirements" has them. Pure.
 */

const mask = "4294967295";
/** Multiplied modulo 2^32: of two factors below 2^32 the product fits a UBIGINT. */
const times = (value: string, factor: number): string => `((${value} * ${factor}::UBIGINT) & ${mask})`;
const rotated = (value: string, by: number): string =>
  `((((${value}) << ${by}) | ((${value}) >> ${32 - by})) & ${mask})`;
/** What a block of four bytes adds. */
const mixed = (block: string): string => times(rotated(times(block, 0xcc9e2d51), 15), 0x1b873593);
/** SQL has no variables: the value is written once, and read where `name` stands. */
const letting = (name: string, value: string, then: string): string =>
  `list_transform([${value}], lambda ${name}: ${then})[1]`;

/** Four bytes of a text of hexadecimal digits, the lowest first. */
const littleEndian = (digits: string): string =>
  `('0x' || ${[7, 5, 3, 1].map((at) => `substr(${digits}, ${at}, 2)`).join(" || ")})::UBIGINT`;

/** The hash of bytes in hexadecimal digits. */
const hashOf = (hex: string): string => {
  const blocks = `list_transform(range(0, length(hex_) // 8), lambda at_: ${littleEndian("substr(hex_, at_ * 8 + 1, 8)")})`;
  const folded = `list_reduce(${blocks}, lambda h_, k_: (${rotated(`xor(h_, ${mixed("k_")})`, 13)} * 5 + ${0xe6546b64}) & ${mask}, 0::UBIGINT)`;
  // Digits that are not there are zeros, which add nothing.
  const tail = mixed(littleEndian("rpad(substr(hex_, (length(hex_) // 8) * 8 + 1, 8), 8, '0')"));
  const whole = `xor(xor(${folded}, ${tail}), (length(hex_) // 2)::UBIGINT)`;
  const steps: readonly [shift: number, factor: number][] = [
    [16, 0x85ebca6b],
    [13, 0xc2b2ae35],
    [16, 1],
  ];
  const finished = steps.reduceRight(
    (then, [shift, factor], at) =>
      letting(`f${at + 1}_`, times(`xor(f${at}_, f${at}_ >> ${shift})`, factor), then),
    `f${steps.length}_`,
  );
  return letting("hex_", hex, letting("f0_", whole, finished));
};

/** Eight bytes of a whole number, the lowest first. */
const longHex = (value: string): string => {
  const digits = `lpad(to_hex((${value})::BIGINT), 16, '0')`;
  return letting("l_", digits, [15, 13, 11, 9, 7, 5, 3, 1].map((at) => `substr(l_, ${at}, 2)`).join(" || "));
};

/** Decimals of more digits need 16 bytes, which no shift here holds. */
const decimalDigitsMax = 35;

/** The unscaled number, the highest byte first, in as few bytes of two's complement as hold it. */
function decimalHex(value: string): string {
  const sizes = Array.from({ length: 15 }, (_, at) => at + 1);
  const limit = (bytes: number): bigint => 1n << BigInt(8 * bytes - 1);
  const digits = sizes.map((bytes) => {
    const wide = `CASE WHEN u_ < 0 THEN u_ + ${limit(bytes) * 2n}::HUGEINT ELSE u_ END`;
    const fits = `u_ BETWEEN -${limit(bytes)}::HUGEINT AND ${limit(bytes) - 1n}::HUGEINT`;
    return `WHEN ${fits} THEN lpad(to_hex(${wide}), ${bytes * 2}, '0')`;
  });
  return letting("u_", `replace((${value})::VARCHAR, '.', '')::HUGEINT`, `CASE ${digits.join(" ")} END`);
}

/** The bucket of a value; undefined where values of the type have none here. */
export function bucketSql(type: string, value: string, count: number): string | undefined {
  const hex = hexOf(type, value);
  return hex === undefined
    ? undefined
    : `CASE WHEN ${value} IS NULL THEN NULL ELSE CAST((${hashOf(hex)} & 2147483647) % ${count} AS INTEGER) END`;
}

function hexOf(type: string, value: string): string | undefined {
  const [, precision] = /^decimal\((\d+),/.exec(type) ?? [];
  if (precision !== undefined) return Number(precision) > decimalDigitsMax ? undefined : decimalHex(value);
  switch (type) {
    case "int":
    case "long":
      return longHex(value);
    case "date":
      return longHex(`${value} - DATE '1970-01-01'`);
    case "time":
    case "timestamp":
    case "timestamptz":
      return longHex(`epoch_us(${value})`);
    case "string":
    case "binary":
      return `hex(${value})`;
    case "uuid":
      return `upper(replace((${value})::VARCHAR, '-', ''))`;
    default:
      return undefined;
  }
}
