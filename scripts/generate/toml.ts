/** `bun run toml`: writes lakehouse.toml from the settings' table, which is the one definition of every key. */
import { renderToml } from "./render-toml.ts";

await Bun.write(new URL("../../lakehouse.toml", import.meta.url), renderToml());
