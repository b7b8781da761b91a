echo "on Linux $(uname -r)"
echo "up after $(cut -d' ' -f1 /proc/uptime) seconds"
for part in boot storm fault books memory watchdog; do
    sh /guest/$part.sh
    echo "$part done after $(cut -d' ' -f1 /proc/uptime) seconds"
done
exec hamctl shutdown
