/** What stops a start or a reload; the message names the file, variable or flag, the key and what is expected. */
export class ConfigError extends Error {}
