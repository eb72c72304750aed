/** @jsxImportSource hono/jsx */
/** Chat: any configured model, with rows of a corpus as what it may rely on. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Chatd } from "../../../workers/chatd/contract.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import { Layout, type PageContext } from "../parts/parts.ts";
import { chat as says } from "../texts/texts.ts";

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
    <Layout title={says.title} at={path} nonce={nonce} islands={["chat.js"]}>
      {models.length === 0 && (
        <p class="note">
          {says.noModel}
          <a href="/system">{says.noModelLink}</a>
          {says.noModelRest}
        </p>
      )}
      <form id="chat" class="row">
        <label>
          {says.model}{" "}
          <select name="model">
            {models.map(({ id }) => (
              <option value={id}>{id}</option>
            ))}
            <option value="">{says.noneOfThem}</option>
          </select>
        </label>
        <label>
          {says.relyingOn}{" "}
          <select name="corpus">
            <option value="">{says.nothing}</option>
            {corpora.map(({ name }) => (
              <option value={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          <input type="checkbox" name="tools" /> {says.tools}
        </label>
        <label class="grow">
          {says.say} <textarea name="text" rows={3} required></textarea>
        </label>
        <button type="submit" class="primary">
          {says.send}
        </button>
        <button type="button" id="stop" disabled>
          {says.stop}
        </button>
      </form>
      <div id="turns" aria-live="polite"></div>
    </Layout>
  );
}
