/** What a service is asked to forget of a person, and how it answers: the same for every service. */
import type { Static } from "@sinclair/typebox";
import { closed, t } from "./endpoints.ts";

/** Shorter ones would be found in too much that is about somebody else. */
export const subjectCharactersMin = 3;

export const SubjectText = t.String({
  minLength: subjectCharactersMin,
  maxLength: 256,
  description:
    "Whom or what it is about, as written: an id, an e-mail address, a name. Found as whole words, in any case, in ids, names of fields, scopes and texts.",
});

/** Who asks for an erasure, and why: all that is kept of it. */
export const erasureReasons = {
  who: t.String({ minLength: 1, maxLength: 256, description: "Who asks for it; it is kept." }),
  why: t.String({ minLength: 1, maxLength: 4096, description: "Why; it is kept." }),
  dry_run: t.Optional(t.Boolean({ description: "Only looks, and says what would go." })),
};

/** As `ErasureReport` of `erasing.ts`. */
export const ErasureReported = closed({
  removed: t.Array(
    closed({
      place: t.String({ description: "As pathwayd/traces.log, or catalogd/people." }),
      what: t.String({ description: "As traces, rows, versions." }),
      count: t.Integer({ minimum: 0 }),
      /** Names of what went, where these do not name the subject. */
      names: t.Optional(t.Array(t.String())),
    }),
  ),
  left: t.Array(
    closed({
      place: t.String(),
      why: t.String(),
      remedy: t.String({ description: "What the operator does about it." }),
    }),
  ),
});

const SubjectCell = closed({
  column: t.String({
    minLength: 1,
    maxLength: 1024,
    description: "The name of a column, in any case of ASCII letters.",
  }),
  equals: t.Union([t.String({ minLength: 1, maxLength: 1024 }), t.Number(), t.Boolean()], {
    description:
      "The value, exactly: a number, true or false, or a text, as of a date, a UUID or a number of many digits.",
  }),
});

const WhomSchema = t.Union([SubjectText, SubjectCell], {
  description:
    "Whom or what it is about. A text, as an id, an e-mail address, a name, is found as whole words, in any case, wherever it stands. {column, equals} means rows of datasets, open tables and corpora whose cell of that column is that value, and nothing else.",
});
export type Whom = Static<typeof WhomSchema>;

/** The body of every request to erase a subject. */
export const ErasureRequest = closed({
  subject: WhomSchema,
  also: t.Optional(
    t.Array(WhomSchema, {
      maxItems: 15,
      description: "Other names of the same, as an id beside an address: what holds any of them is meant.",
    }),
  ),
  ...erasureReasons,
});
