# Stands between the node and one program, as the parent of the program and the leader of its process group.
# It needs nothing but a POSIX shell, which every system with an embedded cluster has.
#
#   stdin   commands of the node: "SIGNAL PID" per line. Its end means that the node is gone: the group is killed.
#   stdout  the program's stdout and stderr.
#   stderr  reports to the node: "started PID", then "exited STATUS" (128 + signal for a signal).
exec 3<&0 </dev/null
(
    while read -r signal process; do kill -s "$signal" "$process" 2>/dev/null; done
    kill -s KILL 0
) <&3 >/dev/null 2>&1 &
sh -c 'echo "started $$" >&2; exec "$@" 2>&1 3<&-' container "$@"
echo "exited $?" >&2
# What the program left behind ends with it, this shell included.
kill -s KILL 0
