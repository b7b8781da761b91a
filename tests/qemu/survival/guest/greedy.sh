# Sets a limit where it is, and takes more.
IFS=: read -r hierarchy controllers place </proc/self/cgroup
echo 2M >/sys/fs/cgroup"$place"/memory.max
exec dd if=/dev/zero of=/dev/null bs=16M count=1
