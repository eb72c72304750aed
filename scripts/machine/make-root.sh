#!/bin/bash
# A root file system with Debian's base, git, Node, npm and curl, and nothing else: what a new user's machine has.
#   make-root.sh ROOT SUITE MIRROR EXTRA
#   ROOT    a directory to make; MIRROR may be empty (debootstrap's own); EXTRA holds files that reach the registries
set -euo pipefail
root=$1 suite=$2 mirror=$3 extra=$4
# In a root that debootstrap made, and did not clean up, it would take what lies at /debootstrap.
export DEBOOTSTRAP_DIR=/usr/share/debootstrap
# It ends before npm's packages are configured: apt's resolver, which knows how, finishes them.
debootstrap --variant=minbase --include=ca-certificates,git,curl,nodejs,npm "$suite" "$root" ${mirror:+"$mirror"} || true
cp -rL "$extra/." "$root/"
# Every file of a package made durable costs minutes on a busy disk, and this machine is thrown away.
echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
in_root apt-get -q update
in_root apt-get -q -y -f install
in_root node --version
in_root npm --version
in_root git --version
# A new machine has no package lists, and knows nothing of how this one reaches its registries.
in_root apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root/debootstrap"
(cd "$extra" && find . -type f -print0) | while IFS= read -r -d '' file; do
  case $file in ./etc/ssl/*) ;; *) rm -f "$root/$file" ;; esac
done
