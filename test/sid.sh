# For scripts that source this file: packages of Debian sid beside the machine's own release.

# sid_packages FOLDER PACKAGE…: downloads packages of Debian sid and all packages that they need to FOLDER/apt/cache/archives.
# The mirror is the one that the machine's apt already uses; apt's own state is left alone.
sid_packages() {
	local dir=$1 mirror arch
	shift
	command -v apt-get >/dev/null || { echo "no apt-get: $* comes from Debian sid" >&2; return 1; }
	arch=$(dpkg --print-architecture)
	# shellcheck disable=SC2016 # apt-get's own variable
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | grep -v -e security -e ubuntu | head -n 1)
	[ -n "$mirror" ] || { echo "apt knows no Debian mirror" >&2; return 1; }
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
	local signed=/usr/share/keyrings/debian-archive-keyring.gpg
	echo "deb [signed-by=$signed] $mirror sid main" >"$dir/apt/sources.list"
	: >"$dir/apt/status"
	local opt=(-o "Dir::Etc::SourceList=$dir/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$dir/apt/lists" -o "Dir::State::status=$dir/apt/status" -o "Dir::Cache=$dir/apt/cache"
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o "APT::Architecture=$arch")
	apt-get "${opt[@]}" -o APT::Update::Error-Mode=any update || return 1
	# With an empty status file apt's own resolver names everything that a package needs, whatever sid calls it today.
	apt-get "${opt[@]}" install --yes --download-only --no-install-recommends -o Debug::NoLocking=1 "$@"
}
