#!/bin/bash
# A machine made fresh: a root file system in an overlay, with every change forgotten at the end, and processes, mounts
# and names of its own. Run in new namespaces, by scripts/machine/machine.ts:
#   boot.sh KIND DIRECTORY LOWER SOURCE NAME SHARED EXTRA
#   KIND       systemd: LOWER is /, this machine's system less what is Lakehouse's or its user's, with a network of its
#              own (loopback alone), control groups and systemd. bare: LOWER is a root that debootstrap made, with
#              nothing that runs, and with this machine's network.
#   DIRECTORY  an empty one to mount at
#   SOURCE     a bare git repository; the machine finds it at https://git.example.com/lakehouse.git
#   NAME       its host name
#   SHARED     a directory that several machines see at /mnt/shared
#   EXTRA      files that are laid over the root of a bare machine
set -euo pipefail
kind=$1 here=$2 lower=$3 source=$4 name=$5 shared=$6 extra=$7
root=$here/root

mount --make-rprivate /
overlay() {
  mkdir -p "$here/upper" "$here/work" "$root"
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$here/upper,workdir=$here/work" "$root"
}
# A bare machine fetches and builds a gigabyte: on the disk, where that can be the upper part of an overlay.
if [ "$kind" = systemd ] || ! overlay 2> /dev/null; then
  mount -t tmpfs -o mode=755 tmpfs "$here"
  overlay
fi

if [ "$kind" = systemd ]; then
  # What the machine below has beyond its distribution's packages, and would start.
  rm -rf "$root"/etc/systemd/system/*.wants "$root"/usr/local/bin/{bun,bunx} "$root"/usr/bin/{bun,bunx}
  rm -rf "$root"/{etc,opt,var/lib}/lakehouse "$root"/etc/lakehouse*
  sed -i '/^lakehouse:/d' "$root"/etc/{passwd,shadow,group,gshadow}
  # Services of the machine below that have a start-up script and no unit.
  rm -f "$root"/etc/rc?.d/S*
  mount -t sysfs sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=1777 tmp "$root/tmp"
  mount -t tmpfs -o mode=700 home "$root/root"
  cat > "$root/etc/hosts" <<'END'
127.0.0.1 localhost lake.example.com
198.18.0.1 host-a
198.18.0.2 host-b
END
  ip link set lo up
else
  cp -rL "$extra/." "$root/"
fi

mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mount -t tmpfs -o mode=755 run "$root/run"

mount -t tmpfs -o mode=755 srv "$root/srv"
cp -r "$source" "$root/srv/lakehouse.git"
chown -R 0:0 "$root/srv/lakehouse.git"
cat >> "$root/etc/gitconfig" <<'END'
[url "/srv/lakehouse.git"]
	insteadOf = https://git.example.com/lakehouse.git
END
mkdir -p "$root/mnt/shared"
mount --bind "$shared" "$root/mnt/shared"
echo "$name" > "$root/etc/hostname"
hostname "$name"

cd "$root"
pivot_root . mnt
umount -l /mnt
path=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ "$kind" = systemd ]; then
  exec env -i container=lakehouse "$path" \
    /lib/systemd/systemd --unit=multi-user.target --show-status=0 --log-target=null
fi
# Process 1 of a bare machine: it says that this machine is there (one may be booted inside of another), and buries whom
# others left.
exec env -i "$path" bash -c 'touch "$1"; while :; do sleep 3600 & wait; done' init "/run/booted-${here//\//-}"
