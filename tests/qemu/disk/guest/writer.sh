# What was there when the machine started is kept beside it.
[ ! -e /mnt/once ] || { cp /mnt/lines /mnt/copy && mv /mnt/copy /mnt/before; }
trap 'echo "ended in good order" >>/mnt/lines; exit 0' TERM
while :; do
    echo "$(cut -d' ' -f1 /proc/uptime)" >>/mnt/lines
    sleep 0.05
done
