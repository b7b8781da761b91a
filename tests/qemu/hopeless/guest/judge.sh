# Process 1 has one fault after the other, until it trusts its state no more.
. /guest/words.sh

status north
north=$(pids)
for count in 1 2; do
    kill -s SEGV 1
    has_faults() {
        status north
        case $status in *"\"reaper\":$count}"*) ;; *) false ;; esac
    }
    check "hopeless: fault $count is survived" within has_faults
done
# The third, if the machine is fast enough for three within ten seconds. Monitor
# and guardian would go on by a state that nobody keeps true.
another() {
    kill -s SEGV 1
    sleep 0.5
    [ -z "$(named ham-monitor)$(named ham-guardian)" ]
}
check "hopeless: after one more the manager is given up" within another
check "hopeless: process 1 is there" same "$(readlink /proc/1/exe)" /sbin/ham
check "hopeless: an entity has not noticed" test -d /proc/"$north"
(sh -c 'exit 3' &)
no_zombies() { ! grep -q '^State:.Z' /proc/[0-9]*/status 2>/dev/null; }
check "hopeless: whatever ends is reaped" within no_zombies
kill -s TERM 1
# Until it comes.
sleep 100000
