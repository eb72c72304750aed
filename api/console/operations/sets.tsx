/** @jsxImportSource hono/jsx */
/** Training sets: those that were made, and making more. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Storaged } from "../../../workers/storaged/contract.ts";
import { bytes, moment, Table } from "../parts/parts.ts";
import { operations as says } from "../texts/texts.ts";

export type Listed = ReplyOf<Storaged["endpoints"]["list"]>;

/** Of the newest so many objects. */
const shownMax = 60;

export const TrainingSets = ({ objects }: Pick<Listed, "objects">) => (
  <>
    <p class="quiet">{says.setsHelp}</p>
    <form class="row" data-call="POST /v1/observer/distill" data-notice={says.distilled}>
      {says.kinds.map((kind) => (
        <label>
          <input type="checkbox" name="kinds[]" value={kind} checked /> {kind}
        </label>
      ))}
      <label>
        {says.leastConfidence}{" "}
        <input
          type="number"
          name="min_confidence"
          min={0}
          max={1}
          step="0.05"
          value="0.6"
          required
          data-json
        />
      </label>
      <label>
        <input type="checkbox" name="include_unreviewed" value="true" data-json /> {says.unreviewed}
      </label>
      <button type="submit">{says.distill}</button>
    </form>
    <Table
      label={says.sets}
      heads={says.setHeads}
      rows={objects
        .toReversed()
        .slice(0, shownMax)
        .map(({ key, bytes: size, last_modified: made }) => [
          moment(made),
          <a href={`/v1/storage/get/${key.split("/").map(encodeURIComponent).join("/")}?bucket=primary`}>
            {key}
          </a>,
          bytes(size),
        ])}
      empty={says.noSets}
    />
  </>
);
