/** What an index gets when its creator names nothing else; the measurements are in ADR 0063. */

/** Half of f32's memory and build time; its rounding is undone by scoring the candidates with the f32 rows. */
export const defaultQuantization = "bf16";
/** Links of a node (M), usearch's own default. */
export const defaultConnectivity = 16;
/** Candidates while building, usearch's own default. */
export const defaultEfConstruction = 128;
/** Candidates while searching. */
export const defaultEfSearch = 96;
