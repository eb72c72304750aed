/** When two playbooks say the same, and what they are together. */
import type { PlaybookFields } from "./state.ts";

/**
 * Cosine from which two wordings of one answer are the same question: what ACE's playbooks use to deduplicate bullets
 * (arXiv 2510.04618 and its `playbook_utils.py`). Texts that are equal but for case and spaces need no vectors.
 */
export const sameWording = 0.9;

/** Wordings a playbook keeps beside its first; further ones strengthen it without being kept. */
const aliasesMax = 20;
/** As the contract takes tags. */
const tagsMax = 100;

export const plainText = (text: string): string =>
  text.normalize("NFKC").toLowerCase().replace(/\s+/g, " ").trim();

/** What is recorded, or another playbook that says the same. */
interface Evidence {
  texts: readonly string[];
  score: number;
  tags: readonly string[];
  note: string | undefined;
  helpful: number;
  harmful: number;
  created_at: string;
  confirmed_at: string;
}

/** A recording as evidence: there is no feedback on it yet. */
export const recorded = (
  input: { query_text: string; score: number; tags: readonly string[]; note: string | undefined },
  at: string,
): Evidence => ({
  texts: [input.query_text],
  score: input.score,
  tags: input.tags,
  note: input.note,
  helpful: 0,
  harmful: 0,
  created_at: at,
  confirmed_at: at,
});

/** A playbook as evidence. */
export const evidenceOf = (playbook: PlaybookFields): Evidence => ({
  ...playbook,
  texts: [playbook.query_text, ...(playbook.aliases ?? [])],
  note: playbook.note,
});

/**
 * The playbook with one more evidence: its recording counts as helpful, its own counters are added, and the score is the
 * mean of both, weighed by the recordings and helpful voices behind each.
 */
export function merged(playbook: PlaybookFields, evidence: Evidence, at: string): PlaybookFields {
  const { aliases = [], note = evidence.note, ...kept } = playbook;
  const texts = distinct([playbook.query_text, ...aliases, ...evidence.texts]).slice(1, 1 + aliasesMax);
  const weight = 1 + playbook.helpful;
  const added = 1 + evidence.helpful;
  return {
    ...kept,
    score: (playbook.score * weight + evidence.score * added) / (weight + added),
    tags: [...new Set([...playbook.tags, ...evidence.tags])].slice(0, tagsMax),
    helpful: playbook.helpful + added,
    harmful: playbook.harmful + evidence.harmful,
    created_at: earlier(playbook.created_at, evidence.created_at),
    confirmed_at: later(playbook.confirmed_at, evidence.confirmed_at),
    updated_at: at,
    ...(note !== undefined && { note }),
    ...(texts.length > 0 && { aliases: texts }),
  };
}

function distinct(texts: readonly string[]): string[] {
  const seen = new Map<string, string>();
  for (const text of texts) if (!seen.has(plainText(text))) seen.set(plainText(text), text);
  return [...seen.values()];
}

// Both are RFC 3339 in UTC with milliseconds, which order as text.
const earlier = (a: string, b: string): string => (a < b ? a : b);
const later = (a: string, b: string): string => (a > b ? a : b);
