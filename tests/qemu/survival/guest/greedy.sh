# Sets a limit where it is, and takes more.
echo 8M >/sys/fs/cgroup"$(sed -n 's/^0:://p' /proc/self/cgroup)"/memory.max
exec dd if=/dev/zero of=/dev/null bs=64M count=1
