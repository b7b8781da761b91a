# Twice: the machine starts anew, and then it is switched off.
. /guest/words.sh

grown() { [ "$(wc -c </mnt/lines)" -gt "$1" ]; }
recovered() { dmesg | grep -E 'EXT4-fs.*(recover|orphan)'; }
if [ ! -e /mnt/once ]; then
    check "disk: something is written" within grown 10
    touch /mnt/once
    # Nobody's: in no cgroup of an entity. And it hears no TERM.
    setsid sh -c 'echo 0 >/sys/fs/cgroup/cgroup.procs; trap "" TERM HUP
        exec sleep 100000 >/mnt/held' &
    within test -e /mnt/held
    hamctl reboot
else
    clean() { ! recovered; }
    within test -e /mnt/before
    check "disk: it was clean when the machine started anew" clean
    check "disk: what wrote had ended before" same "$(tail -n 1 /mnt/before)" "ended in good order"
    hamctl poweroff
fi
