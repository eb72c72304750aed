/** Profiles and which one is active, as values; every change gives a new one. */
import { fail, suggestionsFor } from "../../../runtime/errors/errors.ts";
import type { Profile } from "../schemas/schemas.ts";

export type ProfileFields = Omit<Profile, "active">;

export interface ProfileState {
  /** In the order of names. */
  profiles: readonly ProfileFields[];
  active: string | null;
  /** What was active before, the latest last; null where none was. */
  before: readonly (string | null)[];
  /** Of the requests with an Idempotency-Key that made the latest changes, the latest last; and what they were answered. */
  operations?: readonly { id: string; answer: unknown }[];
}

/** Profiles that may be kept, and activations that can be taken back. */
const profilesMax = 1000;
const beforeMax = 100;

export const noProfiles: ProfileState = { profiles: [], active: null, before: [] };

/** Throws `not_found` with names that are near. */
export function profileNamed({ profiles }: ProfileState, name: string): ProfileFields {
  const found = profiles.find((profile) => profile.name === name);
  if (found) return found;
  const near = suggestionsFor(
    name,
    profiles.map((profile) => profile.name),
  );
  const hint = near.length > 0 ? `; did you mean ${near.join(", ")}?` : "";
  throw fail("not_found", `there is no profile '${name}'${hint}`);
}

/** With this profile, new or in the place of the one of its name. */
export function withProfile(state: ProfileState, profile: ProfileFields): ProfileState {
  const others = state.profiles.filter(({ name }) => name !== profile.name);
  if (others.length >= profilesMax)
    throw fail("too_many_requests", `there are ${others.length} profiles: delete some`, {
      retryAfterSeconds: 60,
    });
  const profiles = [...others, profile].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { ...state, profiles };
}

/** Without it, also among what can be gone back to. Throws `not_found`, or `conflict` while it is active. */
export function withoutProfile(state: ProfileState, name: string): ProfileState {
  profileNamed(state, name);
  if (state.active === name)
    throw fail("conflict", `profile '${name}' is active: activate another or roll back, then delete it`);
  return {
    ...state,
    profiles: state.profiles.filter((profile) => profile.name !== name),
    before: state.before.filter((each) => each !== name),
  };
}

/** With it active; what is active already stays, and nothing is remembered twice. Throws `not_found`. */
export function activated(state: ProfileState, name: string): ProfileState {
  profileNamed(state, name);
  if (state.active === name) return state;
  return { ...state, active: name, before: [...state.before, state.active].slice(-beforeMax) };
}

/** As before the last activation. Throws `conflict` when there was none. */
export function rolledBack(state: ProfileState): ProfileState {
  const last = state.before.at(-1);
  if (last === undefined) throw fail("conflict", "there is no earlier activation to go back to");
  return { ...state, active: last, before: state.before.slice(0, -1) };
}
