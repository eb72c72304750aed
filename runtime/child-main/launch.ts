/**
 * The first program of a child process on Linux: `launch.ts CONFINEMENT ENTRY`. It confines itself and becomes the
 * entry, all of whose threads are then confined: Landlock binds the thread that asks for it and what comes of it.
 */

import { become, type Confinement, confine } from "./confine.ts";
import { socketDescriptor, unconfinedVariable } from "./descriptor.ts";

const [, , confinement = "", entry = ""] = process.argv;
const missing = confine(JSON.parse(confinement) as Confinement);
const env = { ...(process.env as Record<string, string>), [unconfinedVariable]: missing.join(" ") };
become([process.execPath, "--no-install", entry], env, socketDescriptor);
throw new Error(`the child's program ${entry} cannot be run`);
