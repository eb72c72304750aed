/** @jsxImportSource hono/jsx */
/** Backups, and taking one. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Gateway } from "../../gateway/contract.ts";
import { Action, Bad, bytes, count, Table } from "../parts/parts.ts";
import { system as says } from "../texts/texts.ts";

export type BackupList = ReplyOf<Gateway["endpoints"]["backups"]>;

export const Backups = ({ directory, points }: BackupList) =>
  directory === undefined ? (
    <p class="empty">{says.noBackupDir}</p>
  ) : (
    <>
      <p>
        {says.backupsIn} <code>{directory}</code>{" "}
        <Action method="POST" path="/v1/system/backups" body={{}} says={says.takeBackupSays(directory)}>
          {says.takeBackup}
        </Action>
      </p>
      <Table
        label={says.backups}
        heads={says.backupHeads}
        rows={points
          .toReversed()
          .map(({ point, files, bytes: size, damaged, problem }) => [
            point,
            files === undefined ? "" : count(files),
            size === undefined ? "" : bytes(size),
            problem !== undefined ? (
              <Bad>{problem}</Bad>
            ) : damaged?.length ? (
              <Bad>{says.damagedFiles(damaged.length)}</Bad>
            ) : (
              says.whole1
            ),
          ])}
        empty={says.noBackups}
      />
    </>
  );
