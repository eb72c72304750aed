/** @jsxImportSource hono/jsx */
/** The form that makes a corpus of a dataset or a view. */
import { datasets as says } from "../texts/texts.ts";

/** Columns that filters may ask for. */
const metadataMax = 100;

interface Source {
  name: string;
  columns: readonly { name: string; type: string }[];
}

/** A form whose fields become the body of one request. */
export const MakeCorpus = ({ from: { name, columns } }: { from: Source }) => {
  const texts = columns.filter(({ type }) => type === "VARCHAR");
  if (texts.length === 0) return null;
  return (
    <details>
      <summary>{says.byMeaning}</summary>
      <form class="fields" data-call="POST /v1/matrix/corpora" data-to={`/search?corpus=${name}`}>
        <input type="hidden" name="name" value={name} />
        <input type="hidden" name="dataset" value={name} />
        {columns.slice(0, metadataMax).map((column) => (
          <input type="hidden" name="metadata_columns[]" value={column.name} />
        ))}
        <label>
          {says.idColumn}{" "}
          <select name="id_column">
            {columns.map((column) => (
              <option value={column.name}>{column.name}</option>
            ))}
          </select>
        </label>
        <fieldset>
          <legend>{says.texts}</legend>
          {texts.map((column) => (
            <label>
              <input type="checkbox" name="text_columns[]" value={column.name} checked /> {column.name}
            </label>
          ))}
        </fieldset>
        <button type="submit">{says.build}</button>
      </form>
    </details>
  );
};
