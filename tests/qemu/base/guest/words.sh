# What the scripts of judges have in common; read by them. A line that begins
# with PASS or FAIL is read outside of the machine. hamctl takes a second where
# a processor is emulated and shared, so it is called seldom.

# check TEXT COMMAND...: whether it succeeds. What has led to it is told when it
# does not.
check() {
    text=$1
    shift
    if "$@"; then
        echo "PASS $text"
    else
        echo "FAIL $text"
        hamctl events -n 60
        dmesg | tail -n 60
    fi
}

same() {
    [ "$1" = "$2" ] || { echo "is:     $1"; echo "is not: $2"; false; }
}

# The seconds that the machine is up.
seconds() {
    read -r uptime rest </proc/uptime
    echo "${uptime%.*}"
}

# within COMMAND...: whether it succeeds before two minutes are over, which is
# only reached when it never does.
within() {
    until=$(($(seconds) + 120))
    until "$@"; do
        [ "$(seconds)" -lt $until ] || { echo "never: $*"; return 1; }
        sleep 0.05
    done
}

# word NAME: the number that the command line of the kernel has for it.
word() { sed -n "s/.*$1=\([0-9]*\).*/\1/p" /proc/cmdline; }

# status [NAME...]: all that ham says of itself and of these.
status() {
    status=$(hamctl --json status "$@")
}

# Whether that has this in it.
tells() {
    case $status in
        *"$1"*) ;;
        *) echo "not $1 in: $status"; false ;;
    esac
}

# The process ids of the entities in it.
pids() {
    echo "$status" | sed 's/},{/\n/g' | sed -n 's/.*"pid":\([0-9]*\),"ready".*/\1/p'
}

# The living processes of this name.
named() {
    for file in $(grep -lx "$1" /proc/[0-9]*/comm 2>/dev/null); do
        place=${file%/comm}
        grep -q '^State:.Z' "$place/status" 2>/dev/null || echo "${place#/proc/}"
    done
}
