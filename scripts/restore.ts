process.stderr.write("restore: not built yet\n");
process.exit(2);
