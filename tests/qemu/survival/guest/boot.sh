# The machine has come up as its units say.
. /guest/words.sh

check "boot: ham is process 1" same "$(readlink /proc/1/exe)" /sbin/ham
check "boot: in the order of the units" same "$(cat /run/books/order)" "zero
alpha"
check "boot: the target is up" hamctl status system
status north
check "boot: no unit has an error" tells '"refused":[]'
check "boot: entities are in cgroups" tells '"containment":"cgroup"'

place=$(sed -n 's/^0:://p' /proc/"$(pids)"/cgroup)
in_its_own() {
    case $place in
        /ham*/units/north/*) [ "$(cat /sys/fs/cgroup"$place"/cgroup.procs)" = "$(pids)" ] ;;
        *) echo "$place"; false ;;
    esac
}
check "boot: each in its own" in_its_own
