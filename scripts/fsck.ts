process.stderr.write("fsck: not built yet\n");
process.exit(2);
