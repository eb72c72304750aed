process.stderr.write("runbook: not built yet\n");
process.exit(2);
