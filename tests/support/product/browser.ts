/** A real browser: Debian's chromium, driven by playwright-core. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { installPackages } from "../s3/daemons.ts";

export interface TestBrowser {
  /** A page in a context of its own, whose faults are remembered. */
  page: (options?: BrowserContextOptions) => Promise<Page>;
  /** What pages complained of since it was last asked: errors of scripts and of the console, policies that were broken. */
  faults: () => string[];
  end: () => Promise<void>;
}

/** No event is waited for shorter than on the busiest machine. */
const waitMs = 200_000;

/** Undefined, and said aloud, where it cannot be had; where tests must run (`CI=true`) that throws. */
export async function startBrowser(): Promise<TestBrowser | undefined> {
  try {
    installPackages(["chromium"], ["chromium"]);
  } catch (cause) {
    if (process.env.CI === "true") throw cause;
    process.stderr.write(`no chromium, its tests are skipped: ${(cause as Error).message}\n`);
    return undefined;
  }
  const browser: Browser = await chromium.launch({
    executablePath: Bun.which("chromium") ?? "chromium",
    // As root there is no sandbox; a small /dev/shm ends pages.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  const faults: string[] = [];
  return {
    page: async (options) => {
      const context = await browser.newContext({ ...options });
      context.setDefaultTimeout(waitMs);
      const page = await context.newPage();
      page.on("pageerror", (error) => faults.push(`${page.url()}: ${error.message}`));
      page.on("response", async (response) => {
        if (response.status() < 500) return;
        const text = await response.text().catch(() => "without an answer's text");
        faults.push(`${page.url()}: ${response.url()} answered ${response.status()} ${text}`);
      });
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type()))
          faults.push(`${page.url()}: ${message.text()} ${message.location().url}`);
      });
      return page;
    },
    faults: () => faults.splice(0),
    end: () => browser.close(),
  };
}
