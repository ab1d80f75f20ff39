#!/usr/bin/env bash
# Does it work on a bare Debian? Both commands of the README, and one that needs Postgres, in a fresh system that has
# Python and nothing else: as an unprivileged user, as root without the capabilities that containers lack, and as a user
# without an entry in /etc/passwd.
#
#     benchmarks/bare_debian.sh [FOLDER]
#
# Needs root, debootstrap and capsh (libcap2-bin). FOLDER keeps the system and the wheels for the next time; without one
# they are removed at the end. Some five minutes; measured figures mean nothing here. Exit code 1 if anything failed.
set -euo pipefail
# In name spaces of its own, so that its mounts and processes end with it.
[ -n "${IN_NAMESPACES:-}" ] || IN_NAMESPACES=1 exec unshare --mount --pid --fork --mount-proc --propagation private "$0" "$@"
folder=${1:-}
[ -z "$folder" ] || { mkdir -p "$folder" && folder=$(realpath "$folder"); }
cd "$(dirname "$0")/.."
if [ -z "$folder" ]; then
    folder=$(mktemp -d /var/tmp/harness-debian-XXXXXX)
    trap 'umount --recursive "$system"/{proc,sys,dev} || true; rm -rf --one-file-system "$folder"' EXIT
fi
system=$folder/system

[ -e "$folder/made" ] || {
    debootstrap --variant=minbase --include=python3,python3-venv bookworm "$system" >"$folder/debootstrap.log"
    touch "$folder/made"
}
# The wheels are fetched outside, by this machine's own pip: the system inside needs no network.
.venv/bin/python -m pip download --quiet --quiet --dest "$folder/wheels" --constraint constraints.txt . hatchling editables
rm -rf "$system"/{wheels,harness,root/harness,home/somebody/harness,tmp/nameless,var/lib/harness,tmp/harness*,var/tmp/harness*}
cp -r "$folder/wheels" "$system/wheels"
mkdir "$system/harness"
git ls-files -z | xargs -0 tar -cf - | tar -xf - -C "$system/harness"

mount -t proc proc "$system/proc"
mount -t sysfs -o ro sysfs "$system/sys"
mount -t tmpfs tmpfs "$system/dev"
mkdir "$system/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$system/dev/shm"
for device in null zero urandom random; do
    touch "$system/dev/$device"
    mount --bind "/dev/$device" "$system/dev/$device"
done
ln -s /proc/self/fd "$system/dev/fd"
chroot "$system" bash -c 'id somebody >/dev/null 2>&1 || useradd --create-home somebody'

clean="env -i PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PIP_ROOT_USER_ACTION=ignore"
as_somebody() {
    chroot "$system" setpriv --reuid somebody --regid somebody --init-groups $clean HOME=/home/somebody bash -eu /commands
}
as_root() {
    capsh --drop=cap_sys_ptrace,cap_sys_nice -- -c "exec chroot '$system' $clean HOME=/root bash -eu /commands"
}
as_nobody_known() {
    chroot "$system" setpriv --reuid 12345 --regid 12345 --clear-groups $clean HOME=/ bash -eu /commands
}

failed=0
try() { # name, exit code, who; the commands come from standard input
    local code=0
    {
        echo 'measured() { "$@" || [ $? -eq 3 ]; } # 3: measured, but invalid, as on a busy machine'
        cat
    } >"$system/commands"
    echo "--- $1"
    "$3" || code=$?
    [ "$code" -eq "$2" ] || failed=1
    echo "--- $1: exit code $code, expected $2"
}

# As the README has them.
install='python3 -m venv .venv && . .venv/bin/activate
pip install --quiet --constraint constraints.txt --editable .'
first='measured harness run --server granian --style async --workers 4'
second='measured harness run --workload select --warmup 1s --duration 2s'

try "an unprivileged user" 0 as_somebody <<COMMANDS
cp -r /harness ~/harness && cd ~/harness
$install
$first
$second
harness db stop
COMMANDS
try "root without the capabilities ptrace and nice" 0 as_root <<COMMANDS
cp -r /harness ~/harness && cd ~/harness
$install
$first
$second
$second --pin none
harness db stop
COMMANDS
try "a user without an entry in /etc/passwd" 0 as_nobody_known <<COMMANDS
cp -r /harness /tmp/nameless && cd /tmp/nameless
$install
$first
COMMANDS
try "the same with Postgres, who is told what is missing" 5 as_nobody_known <<COMMANDS
cd /tmp/nameless && . .venv/bin/activate
${second#measured }
COMMANDS
exit $failed
