/**
 * The few facts of an Arrow schema that a Parquet schema lacks, read from its flatbuffer. Our own reader, because the file
 * is anyone's: apache-arrow believes the lengths that stand in it, and loops through two thousand million fields.
 */

/** Fields that are looked at; a Parquet schema has no more. */
const fieldsMax = 262_144;
/** Of Arrow's union of types (Schema.fbs). */
const durationType = 18;
/** Places in the tables of Message.fbs and Schema.fbs. */
const header = 2;
const fieldsOfSchema = 1;
const field = { name: 0, type: 2, children: 5 };

/** Names of the columns that hold a duration, at any depth. Throws when the bytes are no such schema. */
export function durationsOf(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // An encapsulated message: a continuation mark in newer ones, the length, the flatbuffer.
  const start = view.getUint32(0, true) === 0xffffffff ? 8 : 4;
  let seen = 0;

  const reference = (at: number) => at + view.getUint32(at, true);
  /** Where a table has its value at this place; undefined when it has none. */
  const placeOf = (table: number, place: number): number | undefined => {
    const layout = table - view.getInt32(table, true);
    const at = 4 + 2 * place;
    const offset = at < view.getUint16(layout, true) ? view.getUint16(layout + at, true) : 0;
    return offset === 0 ? undefined : table + offset;
  };
  const tablesAt = (at: number | undefined): number[] => {
    if (at === undefined) return [];
    const vector = reference(at);
    const length = view.getUint32(vector, true);
    seen += length;
    if (seen > fieldsMax) throw new Error(`over ${fieldsMax} fields`);
    return Array.from({ length }, (_, index) => reference(vector + 4 + 4 * index));
  };
  const holdsDuration = (column: number): boolean => {
    const left = [column];
    for (let table = left.pop(); table !== undefined; table = left.pop()) {
      const type = placeOf(table, field.type);
      if (type !== undefined && view.getUint8(type) === durationType) return true;
      left.push(...tablesAt(placeOf(table, field.children)));
    }
    return false;
  };
  const nameOf = (column: number): string => {
    const at = placeOf(column, field.name);
    if (at === undefined) return "";
    const text = reference(at);
    const from = bytes.byteOffset + text + 4;
    return Buffer.from(bytes.buffer, from, Math.min(view.getUint32(text, true), 1024)).toString("utf8");
  };

  const schema = placeOf(reference(start), header);
  if (schema === undefined) throw new Error("a message without a schema");
  return tablesAt(placeOf(reference(schema), fieldsOfSchema))
    .filter(holdsDuration)
    .map(nameOf);
}
