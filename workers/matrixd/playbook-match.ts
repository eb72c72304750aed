/** What playbooks say about one query, as searches see it. */
export interface PlaybookMatch {
  playbook_id: string;
  corpus: string;
  /** The row's id in its dataset. */
  answer_id: string;
  /** Cosine between the query and the nearest wording of the playbook. */
  similarity: number;
  /** Added to the score of the answer; 0 or more, at most `boostMax` of playbook-boost.ts. */
  boost: number;
  /** One sentence with the numbers that made it. */
  because: string;
}

export interface PlaybookMatches {
  /**
   * Playbooks of these corpora that fit the query, largest boost first; those of retired traces are left out. Vectors
   * are compared only with wordings embedded by the same model; `text` is needed to embed those not yet seen.
   */
  match: (
    query: { text: string | undefined; vector: Float32Array; model: string },
    corpora: readonly string[],
    signal: AbortSignal,
  ) => Promise<PlaybookMatch[]>;
}
