#!/bin/bash
# A machine made fresh: this one's system, less what is Lakehouse's or its user's, with every change kept in memory and
# forgotten at the end. It has its own processes, mounts, network (loopback alone) and systemd.
# Run as: unshare --fork --pid --mount --net --uts --ipc --cgroup boot.sh DIRECTORY SOURCE NAME SHARED
#   DIRECTORY  an empty one to mount at
#   SOURCE     a bare git repository; the machine finds it at https://git.example.com/lakehouse.git
#   NAME       its host name
#   SHARED     a directory that several machines see at /mnt/shared
set -euo pipefail
here=$1 source=$2 name=$3 shared=$4

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$here"
mkdir "$here/upper" "$here/work" "$here/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$here/upper,workdir=$here/work" "$here/root"
root=$here/root

# What the machine below has beyond its distribution's packages, and would start.
rm -rf "$root"/etc/systemd/system/*.wants "$root"/usr/local/bin/{bun,bunx} "$root"/usr/bin/{bun,bunx}
rm -rf "$root"/{etc,opt,var/lib}/lakehouse "$root"/etc/lakehouse*
sed -i '/^lakehouse:/d' "$root"/etc/{passwd,shadow,group,gshadow}
# Services of the machine below that have a start-up script and no unit.
rm -f "$root"/etc/rc?.d/S*

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
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
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs -o mode=700 home "$root/root"

mount -t tmpfs -o mode=755 srv "$root/srv"
cp -r "$source" "$root/srv/lakehouse.git"
chown -R 0:0 "$root/srv/lakehouse.git"
cat >> "$root/etc/gitconfig" <<'END'
[url "/srv/lakehouse.git"]
	insteadOf = https://git.example.com/lakehouse.git
END
mkdir -p "$root/mnt/shared"
mount --bind "$shared" "$root/mnt/shared"
cat > "$root/etc/hosts" <<'END'
127.0.0.1 localhost lake.example.com
198.18.0.1 host-a
198.18.0.2 host-b
END
echo "$name" > "$root/etc/hostname"
hostname "$name"
ip link set lo up

cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i container=lakehouse PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --unit=multi-user.target --show-status=0 --log-target=null
