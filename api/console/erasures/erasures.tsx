/** @jsxImportSource hono/jsx */
/** Erasing all that names someone, after a look at what would go; and what was erased. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Gateway } from "../../gateway/contract.ts";
import { count, Failure, Layout, moment, type PageContext, State, Table } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { erasures as says } from "../texts/texts.ts";

type Erasures = ReplyOf<Gateway["endpoints"]["erasures"]>;

export async function erasures({ api, path, nonce }: PageContext) {
  const done = await orFailure(api.get<Erasures>("/v1/erasures"));
  return (
    <Layout title={says.title} at={path} nonce={nonce} islands={["erase.js"]}>
      <p class="note">{says.help}</p>
      <form id="erase" class="row" method="post">
        <label>
          {says.subject} <input name="subject" required minlength={3} maxlength={256} autocomplete="off" />
        </label>
        <label>
          {says.who} <input name="who" required maxlength={256} />
        </label>
        <label class="grow">
          {says.why} <input name="why" required maxlength={4096} />
        </label>
        <button type="submit" class="primary">
          {says.look}
        </button>
        <button type="button" id="erase-now" class="danger" disabled>
          {says.erase}
        </button>
      </form>
      <div id="report" aria-live="polite"></div>
      <section aria-labelledby="done">
        <h2 id="done">{says.done}</h2>
        {done instanceof ServiceError ? <Failure error={done} /> : <Done {...done} />}
      </section>
    </Layout>
  );
}

const Done = ({ erasures: all }: Erasures) => (
  <Table
    label={says.done}
    heads={says.doneHeads}
    rows={all.map(({ at, who, why, state, services }) => [
      moment(at),
      who,
      why,
      <State of={state === "done" ? "done" : "waiting"} />,
      <ul class="plain">
        {services.flatMap(({ service, removed }) =>
          removed.map(({ count: number, what }) => <li>{says.removed(service, count(number), what)}</li>),
        )}
      </ul>,
      <ul class="plain">
        {services.flatMap(({ service, problem, left }) => [
          ...(problem === undefined ? [] : [<li>{says.problem(service, problem)}</li>]),
          ...left.map(({ place, remedy }) => (
            <li>
              <code>{place}</code> {remedy}
            </li>
          )),
        ])}
      </ul>,
    ])}
    empty={says.none}
  />
);
