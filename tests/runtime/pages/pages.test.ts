/** Pages of lists in memory. */
import { describe, expect, test } from "bun:test";
import {
  type Page,
  type PageInput,
  pageById,
  pageOf,
  pageToken,
  readPageToken,
} from "../../../runtime/pages/pages.ts";

const own = (text: string) => text;

/** All pages, one after the other, as a client asks for them. */
function walk(page: (input: PageInput) => Page<string>, size: number): string[][] {
  const pages: string[][] = [];
  let input: PageInput = { page_size: size };
  for (;;) {
    const { page: items, next } = page(input);
    pages.push(items);
    if (next.next_page_token === undefined) return pages;
    input = { page_size: size, page_token: next.next_page_token };
  }
}

describe("a list in an order of its own", () => {
  const newest = ["e", "d", "c", "b", "a"];
  test.each([
    [1, [["e"], ["d"], ["c"], ["b"], ["a"]]],
    [2, [["e", "d"], ["c", "b"], ["a"]]],
    [5, [newest]],
    [100, [newest]],
  ])("in pages of %d", (size, pages) => {
    expect(walk((input) => pageOf(newest, input, own), size)).toEqual(pages);
  });

  test("without an item there is one empty page", () => {
    expect(pageOf([], {}, own)).toEqual({ page: [], next: {} });
  });

  test("what came since is not told again; a page whose item is gone is told so, not begun anew", () => {
    const { next } = pageOf(newest, { page_size: 2 }, own);
    expect(
      pageOf(["g", "f", ...newest], { page_size: 2, page_token: next.next_page_token }, own).page,
    ).toEqual(["c", "b"]);
    expect(() => pageOf(["e", "c"], { page_token: next.next_page_token }, own)).toThrow("this page is gone");
    expect(() => pageOf(newest, { page_token: "no such" }, own)).toThrow(
      "page_token: this page is gone; begin again",
    );
  });
});

describe("a list in the order of its ids", () => {
  test("is sorted, and goes on behind an item that is gone", () => {
    const names = ["b", "d", "a", "c"];
    expect(walk((input) => pageById(names, input, own), 3)).toEqual([["a", "b", "c"], ["d"]]);
    expect(pageById(["a", "c", "d"], { page_token: "b" }, own).page).toEqual(["c", "d"]);
    expect(pageById(["a", "c"], { page_token: "x" }, own)).toEqual({ page: [], next: {} });
    expect(names).toEqual(["b", "d", "a", "c"]);
  });
});

test("a token is read as it was made, and no other text is one", () => {
  const form = /^after:(.+)$/s;
  for (const place of ["a", "Zoé 😀/b", "x\n"])
    expect(readPageToken(pageToken(`after:${place}`), form)).toEqual([place]);
  for (const token of [
    "garbage",
    "",
    "after:a",
    `${pageToken("after:a")}=`,
    `${pageToken("after:a")}!`,
    pageToken("a"),
  ])
    expect(() => readPageToken(token, form)).toThrow("expected the next_page_token of an earlier answer");
});
