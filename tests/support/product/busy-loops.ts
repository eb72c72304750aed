/** Programs that do nothing but use processors, to make a machine busy. */
export function startBusyLoops(count: number): { stop: () => void } {
  // Each ends by itself when its parent is gone and its input closes.
  const program =
    "process.stdin.on('end', () => process.exit()); process.stdin.resume(); const spin = () => { const until = Date.now() + 50; while (Date.now() < until); setImmediate(spin); }; spin();";
  const loops = Array.from({ length: count }, () =>
    Bun.spawn([process.execPath, "-e", program], { stdin: "pipe", stdout: "ignore", stderr: "ignore" }),
  );
  return {
    stop: () => {
      for (const loop of loops) loop.kill("SIGKILL");
    },
  };
}
