/** Numbers of callers' JSON: kept as they came, or refused with the place. */

import { describe, expect, test } from "bun:test";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { parseJson, parseJsonWithTexts } from "../../../runtime/json/json.ts";
import { seeded } from "../../support/campaigns/seeded.ts";

const refusal = (text: string): string => {
  try {
    parseJson(text);
    return "taken";
  } catch (error) {
    if (error instanceof ServiceError) return error.message;
    throw error;
  }
};

const taken: [why: string, literals: string[]][] = [
  ["whole numbers", ["0", "-0", "1", "-1", "1.0", "1e3", "12.50e1", "9007199254740991", "-9007199254740991"]],
  ["larger ones that a float is", ["9007199254740992", "9007199254740994", "18014398509481984"]],
  [
    "powers of ten, as they are written back",
    ["1e21", "1e22", "1e23", "1E+23", "1e308", "100000000000000000000000"],
  ],
  ["every digit of a float", ["0.1000000000000000055511151231257827021181583404541015625"]],
  ["what printf and other languages make of 0.1", ["0.1", "0.10000000000000001", "1.0000000000000000555e-1"]],
  [
    "fractions, rounded to the nearest float",
    ["3.3333333333333333", "0.12345678901234567", "0.1000000000000000055"],
  ],
  [
    "the largest and the smallest",
    ["1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "4.9e-324", "4.9406564584124654e-324"],
  ],
  ["zeros", ["0.0", "0e5", "-0.000e-999", `0.${"0".repeat(500)}`, "0e-400"]],
];

const refused: [why: string, literals: string[], says: string][] = [
  [
    "whole numbers between floats",
    [
      "9007199254740993",
      "-9007199254740993",
      "9007199254740993.0",
      "9.007199254740993e15",
      "900719925474099.3e1",
      "12345678901234567890",
      "1152921504606846976",
      "170141183460469231731687303715884105727",
    ],
    "it would become",
  ],
  ["fractions whose whole part is lost", ["12345678901234567.89", "9007199254740993.5"], "it would become"],
  [
    "no float is as large",
    ["1e400", "-1e400", "1E+309", "1.7976931348623159e308", "1".repeat(400)],
    "it is too large",
  ],
  [
    "what would become 0 or lose its digits",
    ["1e-400", "-1E-0400", "2e-324", "3e-324", "1.23456789e-320", `0.${"0".repeat(400)}1`],
    "it would become",
  ],
];

describe("parseJson", () => {
  for (const [why, literals] of taken)
    for (const literal of literals)
      test(`takes ${why}: ${literal.slice(0, 60)}`, () => {
        const text = `{"a":[1.5,"x",{"b":${literal}}]}`;
        expect(parseJson(text)).toEqual(JSON.parse(text));
        expect(parseJson(literal)).toBe(Number(literal));
      });

  for (const [why, literals, says] of refused)
    for (const literal of literals)
      test(`refuses ${why}: ${literal.slice(0, 60)}`, () => {
        const message = refusal(`{"a":[0.5,"x",{"b": ${literal} }],"c":1}`);
        expect(message).toStartWith(`a.2.b: ${literal.slice(0, 60)}`);
        expect(message).toContain(says);
        expect(message).toContain("send it as text");
        expect(refusal(literal)).toContain(says);
        expect(refusal(`[${literal},1]`)).toStartWith("0: ");
      });

  test("texts, keys and names that look like such numbers are none", () => {
    for (const text of [
      '{"id":"9007199254740993","n":0}',
      '{"9007199254740993":1e23}',
      '{"a":"\\\\","b":"\\",1e400,","c":1e23}',
      '{"a":0,"id":"3f2504e0-4f89-11d3-9a0c-0305e82c3301","b":"1e-412, ","c":[0]}',
    ])
      expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  test("names the place behind names that need escapes, and in the second of two", () => {
    expect(refusal('{"a\\"b":{"é":[[],[{}],[1,1e400]]}}')).toStartWith('a"b.é.2.1: 1e400');
    expect(refusal('{"a":"}","b":[{"c":1},{"c":9007199254740993}]}')).toStartWith("b.1.c: ");
  });

  test("where a form takes text for numbers, they become it", () => {
    const text = '{"a":[9007199254740993,1,{"b":1e400}],"c":1e-400,"d":"1e400","e":1e23}';
    expect(parseJsonWithTexts(text)).toEqual({
      a: ["9007199254740993", 1, { b: "1e400" }],
      c: "1e-400",
      d: "1e400",
      e: 1e23,
    });
  });

  test("what is no JSON throws as JSON.parse does", () => {
    expect(() => parseJson('{"a":01}')).toThrow(SyntaxError);
    expect(() => parseJson("")).toThrow(SyntaxError);
  });

  test("nesting is no matter", () => {
    const deep = 100_000;
    expect(refusal(`${"[".repeat(deep)}1e400${"]".repeat(deep)}`)).toContain("1e400");
  });

  test("every float as programs write it is taken and is the same", () => {
    const random = seeded(11);
    const bits = new DataView(new ArrayBuffer(8));
    for (let round = 0; round < 5000; round++) {
      bits.setUint32(0, random() * 2 ** 32);
      bits.setUint32(4, random() * 2 ** 32);
      const value = bits.getFloat64(0);
      if (!Number.isFinite(value)) continue;
      expect(parseJson(JSON.stringify(value))).toBe(value);
      const small = value / 2 ** Math.max(0, Math.log2(Math.abs(value)) - 52);
      for (const literal of [small.toPrecision(17), small.toExponential(25)])
        expect(parseJson(literal)).toBe(Number(literal));
    }
  });

  test("every whole number is taken exactly or refused", () => {
    const random = seeded(12);
    for (let round = 0; round < 5000; round++) {
      const whole = BigInt(Math.floor(random() * 2 ** 40)) ** 2n + BigInt(Math.floor(random() * 1000));
      const comesBack = JSON.stringify(Number(whole)) === String(whole) || whole < 2n ** 53n;
      expect([whole, refusal(`{"n":${whole}}`) === "taken"]).toEqual([whole, comesBack]);
    }
  });
});
