/** lakehouse.toml as text: every key with its default, behind one comment line. */
import { isSetting, type Setting, settings } from "../../runtime/config/config.ts";

/** The text of lakehouse.toml: every key with its default, behind one comment line. */
export function renderToml(): string {
  const head =
    "# Every key with its default. Order: built-in, this file, LH_<SECTION>_<KEY>, flags (--section.key=value).\n";
  const parts = Object.entries(settings).map(([section, table]) => {
    if (isSetting(table)) return renderTables(section, table);
    const lines = Object.entries(table as Record<string, Setting>).map(([key, setting]) =>
      renderKey(section, key, setting),
    );
    return (section === "" ? "" : `[${section}]\n`) + lines.join("");
  });
  return `${head}\n${parts.join("\n")}`;
}

function renderKey(section: string, key: string, setting: Setting): string {
  const comment = `# ${setting.doc}\n`;
  if (setting.kind === "sizes") {
    const entries = Object.entries(setting.default).map(
      ([prefix, bytes]) => `${JSON.stringify(prefix)} = ${bytes}`,
    );
    return `${comment}${key} = { ${entries.join(", ")} }\n`;
  }
  if (setting.kind === "tables") return renderTables(section, setting);
  return `${comment}${key} = ${JSON.stringify(setting.default)}\n`;
}

const renderTables = (section: string, setting: (Setting & { kind: "tables" }) | Setting): string => {
  const tables = Object.entries(setting.default as Record<string, Record<string, unknown>>).map(
    ([name, table]) => {
      const lines = Object.entries(table).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
      return `[${section}.${name}]\n${lines.join("")}`;
    },
  );
  return `# ${setting.doc}\n${tables.join("\n")}`;
};
