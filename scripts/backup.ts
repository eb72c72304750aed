process.stderr.write("backup: not built yet\n");
process.exit(2);
