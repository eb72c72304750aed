/** What pages and islands know of a hit: where its row is shown, and what is sent when it does not fit. */

/** The page of the row that a hit stands for. */
export const rowAddress = (corpus: string, id: string): string =>
  `/search?corpus=${encodeURIComponent(corpus)}&row=${encodeURIComponent(id)}`;

/**
 * The body of POST /v1/matrix/playbooks/delta, all of it or nothing: what spoke for the hit has misled, and that it was
 * rejected is remembered, with a score that moves nobody up.
 */
export const rejection = ({
  query,
  id,
  corpus,
  playbooks = [],
}: {
  query: string;
  id: string;
  corpus: string;
  playbooks?: readonly { playbook_id: string }[] | undefined;
}) => ({
  changes: [
    ...playbooks.map(({ playbook_id: harmful }) => ({ harmful })),
    { add: { query_text: query, answer_id: id, corpus, score: 0, tags: ["rejected"] } },
  ],
});
