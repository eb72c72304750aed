/** The section `[auth]`: who may call. */
import { addresses, list, text, token } from "./setting.ts";

export const authSettings = {
  token: text("", "bearer token every request must carry; empty: none", { ...token, secret: true }),
  env_file: text(
    "",
    "file of AUTH_TOKEN= and AUTH_SECONDARY_TOKEN= lines that a reload reads again; it stands in for the environment",
  ),
  token_env: text("AUTH_TOKEN", "environment variable that gives the token when auth.token is empty", {
    pattern: /^[A-Za-z_][A-Za-z0-9_]*$/,
    expected: "the name of a variable",
  }),
  secondary_tokens: list([], "tokens accepted beside the first, while rotating", { ...token, secret: true }),
  allowed_ips: list([], "addresses or CIDRs that may call; empty: all", addresses),
  trusted_proxies: list([], "addresses or CIDRs of proxies whose X-Forwarded-For is believed", addresses),
};
