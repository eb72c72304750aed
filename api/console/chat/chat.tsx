/** @jsxImportSource hono/jsx */
/** Chat: any configured model, with rows of a corpus as what it may rely on. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Chatd } from "../../../workers/chatd/contract.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import { Layout, type PageContext } from "../parts/parts.ts";

type Models = ReplyOf<Chatd["endpoints"]["models"]>;
type Corpora = ReplyOf<Matrixd["endpoints"]["corpora"]>;

export async function chat({ api, path, nonce }: PageContext) {
  const [{ data }, { corpora }, providers] = await Promise.all([
    api.get<Models>("/v1/models"),
    api.get<Corpora>("/v1/matrix/corpora?page_size=1000"),
    api.get<Record<string, boolean>>("/v1/chat/providers"),
  ]);
  const models = data.filter(({ owned_by }) => Object.hasOwn(providers, owned_by));
  return (
    <Layout title="Chat" at={path} nonce={nonce} islands={["chat.js"]}>
      {models.length === 0 && (
        <p class="note">
          No model can be used now: <a href="/system">System</a> says what the providers lack. Until then the
          best rows of a corpus are the answer.
        </p>
      )}
      <form id="chat" class="row">
        <label>
          Model{" "}
          <select name="model">
            {models.map(({ id }) => (
              <option value={id}>{id}</option>
            ))}
            <option value="">none: the best rows alone</option>
          </select>
        </label>
        <label>
          Relying on{" "}
          <select name="corpus">
            <option value="">nothing</option>
            {corpora.map(({ name }) => (
              <option value={name}>{name}</option>
            ))}
          </select>
        </label>
        <label class="grow">
          Say something <textarea name="text" rows={3} required></textarea>
        </label>
        <button type="submit" class="primary">
          Send
        </button>
        <button type="button" id="stop" disabled>
          Stop
        </button>
      </form>
      <div id="turns" aria-live="polite"></div>
    </Layout>
  );
}
