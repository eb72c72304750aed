/**
 * Profiles on disk: each change writes a checksummed log of the state before it and the one after, so that it is there
 * whole or not at all. Where the last line is damaged nobody knows what the profiles are: the ones before are not served
 * as if they were. One change at a time.
 */
import { join } from "node:path";
import type { VerbsOf } from "../../runtime/contract.ts";
import { ServiceError } from "../../runtime/errors.ts";
import { type LineLog, openLineLog } from "../../runtime/line-log.ts";
import { describe, type Log } from "../../runtime/log.ts";
import { damagedLog, logDamageOf, type MarkKeeping, placeOf } from "../../runtime/log-mark.ts";
import type { Matrixd } from "./contract.ts";
import { checkProfile, type ProfileChecks } from "./profile-check.ts";
import {
  activated,
  noProfiles,
  type ProfileFields,
  type ProfileState,
  profileNamed,
  rolledBack,
  withoutProfile,
  withProfile,
} from "./profile-state.ts";

export const profilesName = "profiles.log";
export const profilesFormat = { format: "lakehouse.profiles", version: 1 } as const;

type ProfileVerbs = Pick<
  VerbsOf<Matrixd>,
  "putProfile" | "profiles" | "activate" | "rollback" | "dropProfile"
>;
type Shown = ProfileFields & { active: boolean };

export interface Profiles {
  verbs: ProfileVerbs;
  /**
   * The active profile, or undefined when none is. Read it once a search, so that no search mixes two: it is used when
   * the search names no corpora, and what the search says itself wins over it. Throws where the profiles are closed.
   */
  active: () => Shown | undefined;
  atRest: LineLog<ProfileState>["atRest"];
  /** What is damaged, for readiness. */
  problems: () => string[];
  close: () => Promise<void>;
}

export type ProfileParts = ProfileChecks & MarkKeeping & { directory: string; log: Log };

/**
 * Opens `<directory>/profiles.log`; profiles that are not what was acknowledged stay closed, and all else goes on.
 * Throws `corrupt` when it is another format or a newer version.
 */
export async function openProfiles(parts: ProfileParts): Promise<Profiles> {
  try {
    return profilesOf(parts, await openProfileStore(parts));
  } catch (cause) {
    if (!(cause instanceof ServiceError) || !logDamageOf(cause)) throw cause;
    parts.log.error("the profiles stay closed", describe(cause));
    return closedProfiles(cause);
  }
}

/** Says of everything why it cannot be done. */
function closedProfiles(why: ServiceError): Profiles {
  const refuse = () => Promise.reject(why);
  return {
    verbs: {
      putProfile: refuse,
      profiles: refuse,
      activate: refuse,
      rollback: refuse,
      dropProfile: refuse,
    },
    active: () => {
      throw why;
    },
    atRest: refuse,
    problems: () => [why.message],
    close: async () => {},
  };
}

function profilesOf(parts: ProfileParts, store: Awaited<ReturnType<typeof openProfileStore>>): Profiles {
  const activeOf = (state: ProfileState) => state.active ?? undefined;
  const shown = (profile: ProfileFields): Shown => ({
    ...profile,
    active: profile.name === store.state().active,
  });
  return {
    atRest: store.atRest,
    problems: store.problems,
    close: store.close,
    active: () => {
      const { profiles, active } = store.state();
      const profile = profiles.find(({ name }) => name === active);
      return profile && shown(profile);
    },
    verbs: {
      putProfile: async (profile, { signal }) => {
        await checkProfile(parts, profile, signal);
        await store.change((state) => withProfile(state, profile));
        return shown(profile);
      },
      profiles: async () => {
        const { profiles, active } = store.state();
        return { profiles: profiles.map(shown), ...(active !== null && { active }) };
      },
      activate: async ({ name }, { signal }) => {
        await checkProfile(parts, profileNamed(store.state(), name), signal);
        const { before } = await store.change((state) => activated(state, name));
        return { active: name, ...named("previous", activeOf(before)) };
      },
      rollback: async () => {
        const { before, after } = await store.change(rolledBack);
        return { ...named("active", activeOf(after)), ...named("previous", activeOf(before)) };
      },
      dropProfile: async ({ name }) => {
        await store.change((state) => withoutProfile(state, name));
        return { name };
      },
    },
  };
}

const named = <K extends string>(key: K, value: string | undefined): { [P in K]?: string } =>
  (value === undefined ? {} : { [key]: value }) as { [P in K]?: string };

async function openProfileStore({ directory, log, marks, adopted }: ProfileParts) {
  let state = noProfiles;
  const path = join(directory, profilesName);
  const file = await openLineLog<ProfileState>({
    path,
    ...profilesFormat,
    kept: { marks, adopted },
    replay: (stored) => {
      // A record of another shape throws here, and counts as damaged.
      state = { profiles: [...stored.profiles], active: stored.active, before: [...stored.before] };
    },
  });
  const { damaged, damagedCount, records } = file.report;
  const lines = records + damagedCount + (damaged[0]?.line === 1 ? 0 : 1);
  const isLatestLost = damaged.at(-1)?.line === lines;
  if (isLatestLost && !adopted(placeOf(path))) {
    await file.close();
    const problem =
      "its last line is damaged, which says what the profiles are; the one before it says what they were";
    throw damagedLog({ place: placeOf(path), problem });
  }
  // What was before is accepted as what is.
  if (isLatestLost) await file.rewrite([state]);
  let problems =
    damagedCount === 0 || isLatestLost
      ? []
      : [
          `profiles.log: ${damagedCount} damaged at byte ${damaged[0]?.offset}; the latest whole state is served`,
        ];
  for (const problem of problems) log.warn("profiles damaged", { problem });
  let last: Promise<unknown> = Promise.resolve();

  const change = async (plan: (state: ProfileState) => ProfileState) => {
    const before = state;
    const after = plan(before);
    if (after === before) return { before, after };
    // Who changes profiles has seen what is left of them: damaged lines go to `profiles.log.damaged`.
    await file.rewrite([before, after]);
    state = after;
    problems = [];
    return { before, after };
  };
  return {
    state: () => state,
    problems: () => problems,
    atRest: file.atRest,
    /** Stores what `plan` makes of the state; the same state is no change. */
    change: (plan: (state: ProfileState) => ProfileState) => {
      const mine = last.then(() => change(plan));
      last = mine.catch(() => undefined);
      return mine;
    },
    close: async () => {
      await last;
      await file.close();
    },
  };
}
