# It would have started the machine anew, which would not have come here.
. /guest/words.sh

check "watchdog: it runs" same "$(cat /sys/class/watchdog/watchdog0/state)" active
fed() { hamctl status | grep '^hardware watchdog .*fed '; }
check "watchdog: it was fed all the time" within fed
