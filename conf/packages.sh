# shellcheck shell=bash
# The Debian packages that ./start and ./check install. Sourced.

WL_BUILD_PACKAGES=(autoconf automake ca-certificates gcc libc6-dev
	libcurl4-openssl-dev libfcgi-dev libhiredis-dev libjson-c-dev libpq-dev
	libsodium-dev make pkg-config)
WL_RUN_PACKAGES=(curl lighttpd openssl postgresql python3 redis-server
	util-linux zlib1g-dev)
WL_TEST_PACKAGES=(apache2 clang fcgiwrap gdb git jq libapache2-mod-fcgid
	libclang-rt-14-dev libcunit1-dev mandoc nginx nodejs npm procps
	python3-venv python3-yaml spawn-fcgi strace valgrind xz-utils)

# wl_packages WHAT [WEB]: install what "start" (with web server WEB) or "test"
# needs and is not there.
wl_packages() {
	local list=("${WL_BUILD_PACKAGES[@]}" "${WL_RUN_PACKAGES[@]}")
	local missing=() p sudo=
	[ "$1" = test ] && list+=("${WL_TEST_PACKAGES[@]}")
	case ${2:-} in
	nginx) list+=(nginx) ;;
	apache) list+=(apache2) ;;
	esac
	for p in "${list[@]}"; do
		case $p in
		nodejs) command -v node >/dev/null && continue ;;
		npm) command -v npm >/dev/null && continue ;;
		esac
		dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null |
		    grep -q '^install ok installed' || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return 0
	[ "$(id -u)" = 0 ] || sudo=sudo
	# a package must not start a server of its own on this machine's ports
	local policy=/usr/sbin/policy-rc.d made=no status
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
		$sudo chmod 755 "$policy"
		made=yes
	fi
	$sudo apt-get update -qq &&
	    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    --no-install-recommends "${missing[@]}"
	status=$?
	[ "$made" = no ] || $sudo rm -f "$policy"
	return $status
}
