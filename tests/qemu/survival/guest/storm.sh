# Monitor and guardian of process 1 are killed, fifty times, while entities come
# and go.
. /guest/words.sh

status north south
before=$(pids)
monitor=$(named ham-monitor)
round=0
# A client that follows over the takeover tells of it, and who it is.
taken_over() {
    lines=$(grep 'has taken over' /run/books/events)
    [ "$(echo "$lines" | grep -c over)" = $round ]
}
guardian_is_there() {
    guardian=$(named ham-guardian)
    [ -n "$guardian" ]
}
while [ $round -lt 50 ]; do
    within guardian_is_there
    case $((round % 5)) in
        2) kill -s KILL "$guardian" && kill -s KILL "$monitor" ;;
        3) kill -s SEGV "$monitor" ;;
        4) kill -s KILL "$monitor" "$guardian" ;;
        *) kill -s KILL "$monitor" ;;
    esac || echo "FAIL storm: round $round: somebody had gone by itself"
    round=$((round + 1))
    within taken_over || { echo "FAIL storm: round $round: nobody has taken over"; break; }
    monitor=${lines##*monitor }
    monitor=${monitor%% *}
done
status north south
check "storm: fifty monitors were replaced" tells '"takeovers":50,'
check "storm: entities have not noticed" same "$(pids)" "$before"
