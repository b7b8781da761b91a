# First file: INVOCATION PID of each start. Second: what ham has told,
# DATE TIME NAME: died: STATUS (pid PID). Fails when they differ.

function wrong(text) {
    print name ": " text
    failed = 1
}

FNR == NR {
    if (invocations[$1]++) wrong("two starts of " $1)
    if (started[$2]++) wrong("two starts of process " $2)
    next
}

$3 == name ":" && ($4 == "died:" || $4 == "stopped:") {
    pid = $NF
    sub(/\)/, "", pid)
    if (ended[pid]++) wrong("two ends of process " pid)
    if (!(pid in started) && $4 == "died:") wrong("no start of process " pid)
    expected = name == "killed" ? "signal KILL" : "exit " pid % 251
    # A stop may have come before the end that it would have had.
    if ($4 == "died:" && $5 " " $6 != expected) wrong(pid ": " $5 " " $6 ", not " expected)
    count++
}

END {
    for (pid in started) if (!(pid in ended)) wrong("no end of process " pid)
    print name ": " count " ends"
    if (count < 5) wrong("too few to mean something")
    exit failed
}
