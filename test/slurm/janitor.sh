# shellcheck shell=bash disable=SC2013,SC2044,SC2086 # process ids and our own folders have no blanks
#
# Ends one cluster of this package: bash -s DIR TAG, with a pipe as standard input that closes when the test is over.
# Only processes that carry this cluster's mark are ended: its SLURM_CONF in their environment, a parent that has it, one
# of its cgroups, or the daemons' working folder. Every daemon, every job and every command of the test is started with
# that mark. The folder gives away the slurmstepd of newer versions, which has no parent and an empty environment.
dir=$1 tag=$2
mark="SLURM_CONF=$dir/etc/slurm.conf"
shopt -s nullglob
cat >/dev/null

marked() {
	local f pid parents=' ' more
	for f in $(grep -lzxF -- "$mark" /proc/[0-9]*/environ 2>/dev/null); do
		pid=${f#/proc/}
		parents+="${pid%/environ} "
	done
	for f in $(find /proc -maxdepth 2 -path '/proc/[0-9]*/cwd' -lname "$dir/log" 2>/dev/null); do
		pid=${f#/proc/}
		parents+="${pid%/cwd} "
	done
	for f in /sys/fs/cgroup/*/slurm_"$tag"* /sys/fs/cgroup/slurm_"$tag"*; do
		for pid in $(find "$f" -name cgroup.procs -exec cat {} + 2>/dev/null); do parents+="$pid "; done
	done
	more=1
	while [ -n "$more" ]; do # what they started, whatever its environment says
		more=
		for f in /proc/[0-9]*/stat; do
			read -r line 2>/dev/null <"$f" || continue
			pid=${line%% *}
			set -- ${line##*) }
			# a zombie is its parent's to bury
			if [ "$1" != Z ] && [[ $parents == *" $2 "* && $parents != *" $pid "* ]]; then parents+="$pid " more=1; fi
		done
	done
	for pid in $parents; do
		line=
		read -r line 2>/dev/null <"/proc/$pid/stat" || continue
		set -- ${line##*) }
		[ "$1" = Z ] || [ "$pid" = $$ ] || echo "$pid"
	done
}

left=
for _ in $(seq 2000); do
	left=$(marked)
	[ -n "$left" ] || break
	kill -KILL $left 2>/dev/null
	sleep .05
done
[ -z "$left" ] || { echo "processes that do not end: $left"; exit 1; }

for _ in $(seq 2000); do # the kernel empties a cgroup a little after its last process
	groups=(/sys/fs/cgroup/*/slurm_"$tag"* /sys/fs/cgroup/slurm_"$tag"*)
	[ ${#groups[@]} -gt 0 ] || break
	find "${groups[@]}" -depth -type d -exec rmdir {} + 2>/dev/null
	sleep .05
done
groups=(/sys/fs/cgroup/*/slurm_"$tag"* /sys/fs/cgroup/slurm_"$tag"*)
[ ${#groups[@]} -eq 0 ] || { echo "cgroups that cannot be removed: ${groups[*]}"; exit 1; }
rm -rf -- "$dir"
