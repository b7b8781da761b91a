# Entities whose cgroup has no memory left: their ends have that cause, and ham
# does not pay for it.
. /guest/words.sh

times=$(word times)
status greedy
before=$(named ham-monitor)
hamctl start greedy
often() { [ "$(grep -c "greedy: died: signal KILL" /run/books/events)" -ge "$1" ]; }
check "memory: all restarts of one that takes too much" within often $times
hamctl stop greedy
told() { grep -c "greedy: is short of memory" /run/books/events; }
# The last end may have been that by the stop.
as_often() {
    deaths=$(grep -c "greedy: died: signal KILL" /run/books/events)
    told=$(grep -c "greedy: is short of memory" /run/books/events)
    echo "$deaths deaths, $told told" >/run/books/verdict
    [ "$told" -ge "$deaths" ] && [ "$told" -le $((deaths + 1)) ]
}
check "memory: each is told with its cause" within as_often
cat /run/books/verdict
check "memory: no monitor was lost" same "$(named ham-monitor)" "$before"

# Of the next one each process is born where there is not even memory for a
# program to be executed. The limit stays as long as its cgroup has a child.
hamctl start cramped
status cramped
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/"$(pids)"/cgroup)
group=${group%/*}
mkdir "$group/keep"
echo 64K >"$group/memory.max"
attempts() { [ "$(grep -c 'cramped: \(died\|could not\|next start\)' /run/books/events)" -ge "$1" ]; }
check "memory: all starts of one that has none" within attempts $times
check "memory: that costs no monitor" same "$(named ham-monitor)" "$before"
echo max >"$group/memory.max"
runs() { status cramped; case $status in *'"state":"running"'*) ;; *) false ;; esac; }
check "memory: with memory it runs" within runs
rmdir "$group/keep"
status cramped
