# For scripts that source this file: packages of Debian sid, or of another release, beside the machine's own.

# sid_packages FOLDER PACKAGE...: debian_packages of Debian sid.
sid_packages() { debian_packages sid "$@"; }

# debian_packages RELEASE FOLDER PACKAGE...: downloads packages of a Debian release, and all packages that these need, to
# FOLDER/apt/cache/archives. The mirror is the one that the machine's apt already uses; apt's own state is left alone.
debian_packages() {
	local release=$1 dir=$2 mirror arch
	shift 2
	command -v apt-get >/dev/null || { echo "no apt-get: $* would come from Debian $release" >&2; return 1; }
	arch=$(dpkg --print-architecture)
	# shellcheck disable=SC2016 # apt-get's own variable
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | grep -v -e security -e ubuntu | head -n 1)
	[ -n "$mirror" ] || { echo "apt knows no Debian mirror" >&2; return 1; }
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
	local signed=/usr/share/keyrings/debian-archive-keyring.gpg
	echo "deb [signed-by=$signed] $mirror $release main" >"$dir/apt/sources.list"
	: >"$dir/apt/status"
	local opt=(-o "Dir::Etc::SourceList=$dir/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$dir/apt/lists" -o "Dir::State::status=$dir/apt/status" -o "Dir::Cache=$dir/apt/cache"
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o "APT::Architecture=$arch")
	apt-get "${opt[@]}" -o APT::Update::Error-Mode=any update || return 1
	# With an empty status file apt's own resolver names everything that the packages need, whatever the release calls it.
	apt-get "${opt[@]}" install --yes --download-only --no-install-recommends -o Debug::NoLocking=1 "$@"
}
