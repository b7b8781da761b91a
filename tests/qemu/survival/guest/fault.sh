# Process 1 itself: what would end any other process does not end it.
. /guest/words.sh

status north south
before=$(pids)
kill -s KILL 1
kill -s STOP 1
status north south
check "fault: KILL and STOP do nothing" tells '"reaper":0}'
count=0
for signal in SEGV ABRT; do
    kill -s $signal 1
    count=$((count + 1))
    has_faults() {
        status north south
        case $status in *"\"reaper\":$count}"*) ;; *) false ;; esac
    }
    check "fault: $signal is survived" within has_faults
done
check "fault: it is the same program" same "$(readlink /proc/1/exe)" /sbin/ham
check "fault: entities have not noticed" same "$(pids)" "$before"
