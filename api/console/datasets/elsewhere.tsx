/** @jsxImportSource hono/jsx */
/** How other tools open a dataset or a view. */
import { datasets as says } from "../texts/texts.ts";

export const Elsewhere = ({
  name,
  origin,
  isView = false,
}: {
  name: string;
  origin: string;
  isView?: boolean;
}) => (
  <details>
    <summary>{says.elsewhere}</summary>
    {/* Views are not in Iceberg's catalog: their SQL is of the engine here. */}
    {[...(isView ? [] : says.engines(name, origin)), ...says.tools(name, origin)].map(([tool, code]) => (
      <section aria-label={tool}>
        <p class="row">
          <strong>{tool}</strong>
          <button type="button" data-copy={code} aria-label={says.copyOf(tool)}>
            {says.copy}
          </button>
        </p>
        <pre tabindex={0}>{code}</pre>
      </section>
    ))}
  </details>
);
