#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 sandboxops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The first process of a host: makes its root out of layers, moves into it, and becomes its SSH server.
# It runs in the host's directory and in namespaces of its own, so nothing of it is left when it dies.
set -euo pipefail
mount --make-rprivate /

while read -r number path; do
    [[ $path == / ]] || continue
    mount -o loop "disk-$number" disk
    mkdir -p disk/upper disk/work
    rm -rf disk/work/work
done <<<"$DISKS"
mount -t overlay overlay -o "lowerdir=$LAYERS,upperdir=disk/upper,workdir=disk/work,index=off" root

mount -t proc -o nosuid,nodev,noexec proc root/proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs root/sys
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs root/run
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs root/tmp
mount -t tmpfs -o nosuid,mode=755,size=1m tmpfs root/dev
while read -r name major minor; do
    mknod -m 666 "root/dev/$name" c "$major" "$minor"
done <<<$'null 1 3\nzero 1 5\nfull 1 7\nrandom 1 8\nurandom 1 9\ntty 5 0'
for number in $(seq 0 63); do
    mknod "root/dev/loop$number" b 7 "$number"
done
mkdir root/dev/pts root/dev/shm root/run/sshd root/run/fleet
chmod 700 root/run/fleet
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts root/dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs root/dev/shm
ln -s pts/ptmx root/dev/ptmx
ln -s /proc/self/fd root/dev/fd

while read -r number path; do
    if [[ $path == / ]]; then
        mkdir root/run/fleet/root-disk
        mount --bind disk root/run/fleet/root-disk
    elif [[ $number ]]; then
        mkdir -p "root$path"
        mount -o loop "disk-$number" "root$path"
    fi
done <<<"$DISKS"
while read -r path; do
    [[ $path ]] || continue
    mkdir -p "root$path"
    mount --bind "$path" "root$path"
    mount -o remount,bind,ro "root$path"
done <<<"$BINDS"

hostname "$HOST_NAME"
cd root
mkdir -p .before
pivot_root . .before
umount --lazy /.before
rmdir /.before
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /usr/sbin/sshd -D -e -f /etc/ssh/sshd_fleet
