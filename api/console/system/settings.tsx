/** @jsxImportSource hono/jsx */
/** Settings, and where each comes from. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Gateway } from "../../gateway/contract.ts";
import { Table } from "../parts/parts.ts";
import { system as says } from "../texts/texts.ts";

export type SettingList = ReplyOf<Gateway["endpoints"]["settings"]>;

export const ChangedSettings = ({ settings }: SettingList) => {
  const changed = settings.filter(({ source }) => source !== "default");
  return (
    <>
      <p class="quiet">{says.changedSettings(changed.length, settings.length)}</p>
      <SettingTable settings={changed} />
      <details hx-get="/system?part=settings" hx-target="find div" hx-trigger="toggle once">
        <summary>{says.allSettings}</summary>
        <div></div>
      </details>
    </>
  );
};

export const AllSettings = ({ settings }: SettingList) => <SettingTable settings={settings} />;

const SettingTable = ({ settings }: SettingList) => (
  <Table
    label={says.settings}
    heads={says.settingHeads}
    rows={settings.map((each) => [
      <code>{each.key}</code>,
      <code>
        {each.is_set === undefined ? JSON.stringify(each.value) : each.is_set ? says.isSet : says.isNotSet}
      </code>,
      each.source,
      <code>{each.default === undefined ? "" : JSON.stringify(each.default)}</code>,
      each.doc,
    ])}
    empty={says.noneChanged}
  />
);
