/** One thing Lakehouse depends on, and how it is. */
export interface Check {
  name: string;
  /** Without it Lakehouse does not start or loses what it promises; the others only make it better. */
  required: boolean;
  ok: boolean;
  /** What was found, in a few words; never a secret. */
  found: string;
  /** What to do, when it is not ok. */
  fix?: string;
}

export const ok = (name: string, required: boolean, found: string): Check => ({
  name,
  required,
  ok: true,
  found,
});
export const broken = (name: string, required: boolean, found: string, fix: string): Check => ({
  name,
  required,
  ok: false,
  found,
  fix,
});

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
