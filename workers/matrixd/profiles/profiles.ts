/**
 * Profiles on disk: each change writes a checksummed log of the state before it and the one after, so that it is there
 * whole or not at all. Where the last line is damaged nobody knows what the profiles are: the ones before are not served
 * as if they were. One change at a time.
 */
import { join } from "node:path";
import { Mutex } from "async-mutex";
import type { Subject, VerbsOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { type Idempotency, type Operation, unlessFound } from "../../../runtime/idempotency/idempotency.ts";
import {
  damagedLog,
  type LineLog,
  logDamageOf,
  type MarkKeeping,
  openLineLog,
  placeOf,
} from "../../../runtime/line-log/line-log.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Matrixd } from "../contract.ts";
import { checkProfile, type ProfileChecks } from "./check.ts";
import {
  activated,
  noProfiles,
  type ProfileFields,
  type ProfileState,
  profileNamed,
  rolledBack,
  withoutProfile,
  withProfile,
} from "./state.ts";

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
  /** Nothing of earlier states is kept, unless it only looks; gives the profiles that name a subject, which stay. */
  erase: (subject: Pick<Subject, "isMentioned">, dryRun: boolean) => Promise<string[]>;
  /** What is damaged, for readiness. */
  problems: () => string[];
  close: () => Promise<void>;
}

type ProfileParts = ProfileChecks &
  MarkKeeping & {
    directory: string;
    log: Log;
    idempotency: Pick<Idempotency, "found">;
  };

/** Changes whose ends may still be on their way into the log of keys when the process is killed; they come one by one. */
const operationsMax = 16;

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

/** Refuses everything with the reason. */
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
    erase: refuse,
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
    erase: async ({ isMentioned }, dryRun) => {
      if (!dryRun) await store.forgetEarlier();
      const named = store.state().profiles.filter((profile) => isMentioned(Object.values(profile)));
      return named.map(({ name }) => name);
    },
    problems: store.problems,
    close: store.close,
    active: () => {
      const { profiles, active } = store.state();
      const profile = profiles.find(({ name }) => name === active);
      return profile && shown(profile);
    },
    verbs: {
      putProfile: unlessFound(
        async (profile, { signal, operation }) => {
          await checkProfile(parts, profile, signal);
          const plan = (state: ProfileState) => withProfile(state, profile);
          return store.change(plan, operation, ({ after }) => ({
            ...profile,
            active: profile.name === after.active,
          }));
        },
        answered<Shown>,
      ),
      profiles: async () => {
        const { profiles, active } = store.state();
        return { profiles: profiles.map(shown), ...(active !== null && { active }) };
      },
      activate: unlessFound(
        async ({ name }, { signal, operation }) => {
          await checkProfile(parts, profileNamed(store.state(), name), signal);
          const plan = (state: ProfileState) => activated(state, name);
          return store.change(plan, operation, ({ before }) => ({
            active: name,
            ...named("previous", activeOf(before)),
          }));
        },
        answered<Activation & { active: string }>,
      ),
      rollback: unlessFound(
        (_, { operation }) =>
          store.change(rolledBack, operation, ({ before, after }) => ({
            ...named("active", activeOf(after)),
            ...named("previous", activeOf(before)),
          })),
        answered<Activation>,
      ),
      dropProfile: unlessFound(
        ({ name }, { operation }) =>
          store.change(
            (state) => withoutProfile(state, name),
            operation,
            () => ({ name }),
          ),
        answered<{ name: string }>,
      ),
    },
  };
}

interface Activation {
  active?: string;
  previous?: string;
}
const answered = <R>(answer: R): R => answer;

const named = <K extends string>(key: K, value: string | undefined): { [P in K]?: string } =>
  (value === undefined ? {} : { [key]: value }) as { [P in K]?: string };

interface Changed {
  before: ProfileState;
  after: ProfileState;
}

/** A record of another shape throws, and counts as damaged. */
const stateOf = ({ profiles, active, before, operations }: ProfileState): ProfileState => ({
  profiles: [...profiles],
  active,
  before: [...before],
  ...(operations && { operations }),
});

const withOperation = (state: ProfileState, { id }: Operation, answer: unknown): ProfileState => ({
  ...state,
  operations: [...(state.operations ?? []), { id, answer }].slice(-operationsMax),
});

async function openProfileStore({ directory, log, marks, adopted, idempotency }: ProfileParts) {
  let state = noProfiles;
  const path = join(directory, profilesName);
  const file = await openLineLog<ProfileState>({
    path,
    ...profilesFormat,
    kept: { marks, adopted },
    replay: (stored) => {
      state = stateOf(stored);
      for (const { id, answer } of state.operations ?? []) idempotency.found(id, () => answer);
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
  // The state before the damaged line is accepted as the present one.
  if (isLatestLost) await file.rewrite([state]);
  let problems =
    damagedCount === 0 || isLatestLost
      ? []
      : [
          `matrixd/profiles.log: ${damagedCount} damaged at byte ${damaged[0]?.offset}; the latest whole state is served`,
        ];
  for (const problem of problems) log.warn("profiles damaged", { problem });
  const mutex = new Mutex();

  const change = async <R>(
    plan: (state: ProfileState) => ProfileState,
    operation: Operation | undefined,
    answerOf: (changed: Changed) => R,
  ): Promise<R> => {
    const before = state;
    const planned = plan(before);
    const answer = answerOf({ before, after: planned });
    if (planned === before) return answer;
    const after = operation ? withOperation(planned, operation, answer) : planned;
    // A change accepts what is left: damaged lines go to `profiles.log.damaged`.
    await file.rewrite([before, after]);
    state = after;
    problems = [];
    return answer;
  };
  return {
    state: () => state,
    problems: () => problems,
    atRest: file.atRest,
    /** Stores what `plan` makes of the state; the same state is no change. */
    change: <R>(
      plan: (state: ProfileState) => ProfileState,
      operation: Operation | undefined,
      answerOf: (changed: Changed) => R,
    ): Promise<R> => mutex.runExclusive(() => change(plan, operation, answerOf)),
    /** Operations aside, whose keys are remembered by now. */
    forgetEarlier: () => mutex.runExclusive(() => file.forget([state, state])),
    close: () => mutex.runExclusive(file.close),
  };
}
