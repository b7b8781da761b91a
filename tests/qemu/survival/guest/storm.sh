# Monitor and guardian of process 1 are killed, as often as the command line of the
# kernel says, while entities come and go.
. /guest/words.sh

kills=$(word kills)

status north south
before=$(pids)
monitor=$(named ham-monitor)
killed= count=0 round=0
guardian_is_there() {
    guardian=$(named ham-guardian)
    [ -n "$guardian" ]
}
# A client that follows over the takeover tells of it, and who it is. That may be
# the guardian, which then is the next to die.
taken_over() {
    lines=$(grep 'has taken over' /run/books/events)
    [ "$(echo "$lines" | grep -c over)" -gt $count ] || return 1
    monitor=${lines##*monitor }
    monitor=${monitor%% *}
    case " $killed " in *" $monitor "*) return 1 ;; esac
}
while [ $round -lt "$kills" ]; do
    within guardian_is_there
    killed="$monitor"
    case $((round % 5)) in
        2) killed="$guardian $monitor" && kill -s KILL "$guardian" && kill -s KILL "$monitor" ;;
        3) kill -s SEGV "$monitor" ;;
        4) killed="$monitor $guardian" && kill -s KILL "$monitor" "$guardian" ;;
        *) kill -s KILL "$monitor" ;;
    esac || echo "FAIL storm: round $round: somebody had gone by itself"
    round=$((round + 1))
    within taken_over || { echo "FAIL storm: round $round: nobody has taken over"; break; }
    count=$(echo "$lines" | grep -c over)
done
status north south
takeovers=${status##*\"takeovers\":}
check "storm: all monitors were replaced" [ "${takeovers%%,*}" -ge "$kills" ]
check "storm: entities have not noticed" same "$(pids)" "$before"
