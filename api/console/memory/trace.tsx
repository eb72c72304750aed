/** @jsxImportSource hono/jsx */
/** One trace: as it is, and every change of the chain it belongs to. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Pathwayd } from "../../../workers/pathwayd/contract.ts";
import { Action, Fields, Layout, moment, type PageContext } from "../parts/parts.ts";

type Trace = ReplyOf<Pathwayd["endpoints"]["get"]>;
type History = ReplyOf<Pathwayd["endpoints"]["history"]>;

export async function trace({ api, name, path, nonce }: PageContext) {
  const uid = encodeURIComponent(name);
  const found = await api.get<Trace>(`/v1/pathway/get/${uid}`);
  const { changes } = await api.get<History>(`/v1/pathway/history/${uid}?page_size=200`);
  const isLive = !found.retired && found.successor === undefined;
  return (
    <Layout title={name} at={path} nonce={nonce}>
      <Fields
        of={[
          [
            "State",
            found.retired ? `retired: ${found.reason ?? "no reason given"}` : isLive ? "live" : "superseded",
          ],
          ["Tags", found.tags.join(", ")],
          ["Made", moment(found.created_at)],
          ["Changed", moment(found.updated_at)],
          ["Used", found.replay_count],
          ["Supersedes", linked(found.predecessor)],
          ["Superseded by", linked(found.successor)],
        ]}
      />
      <pre tabindex={0}>{JSON.stringify(found.content, null, 2)}</pre>
      {isLive && (
        <Action
          method="POST"
          path="/v1/pathway/retire"
          body={{ uid: name }}
          says={`'${name}' will be out of every search, for good. Its history stays.`}
          danger
        >
          Retire
        </Action>
      )}
      <h2>History</h2>
      <ol class="timeline">
        {changes.map((change) => (
          <li>
            <time datetime={change.at}>{moment(change.at)}</time> <strong>{change.kind}</strong> {change.uid}
          </li>
        ))}
      </ol>
    </Layout>
  );
}

const linked = (uid: string | undefined) =>
  uid === undefined ? "" : <a href={`/memory/${encodeURIComponent(uid)}`}>{uid}</a>;
