# For ./quickstart and ./check (sh): installs what is missing, and nothing that would push another
# package off the machine. Services that come with the packages are not started and not configured.

packages_build="gcc libc6-dev make autoconf automake pkg-config libmilter-dev libldap-dev
libdb5.3-dev libssl-dev libconfuse-dev libjansson-dev libidn2-dev libunistring-dev
libmicrohttpd-dev"
packages_lab="slapd ldap-utils postfix dovecot-imapd dovecot-ldap dovecot-lmtpd
dovecot-managesieved dovecot-sieve python3"
packages_postfix="postfix(-ldap)?" # what goes below the build directory where Postfix does
packages_sendmail="sendmail-bin sendmail-cf"
packages_sendmail_libraries="m4 libdb5.3 libldap-2.5-0 libnsl2 libsasl2-2 libssl3 libwrap0"
packages_cyrus="cyrus-common cyrus-imapd sasl2-bin"
packages_cyrus_libraries="libical3 libpcre3 libpq5 libsasl2-2 libsasl2-modules libsasl2-modules-db
libxapian30 libxml2"
packages_model="spin gcc libc6-dev python3"
packages_check="postfix-ldap libcmocka-dev mandoc spin python3-yaml python3-pytest python3-dkim procps
systemd zsh samba samba-dsdb-modules samba-ad-provision python3-samba"
# for ./check --long: the Debian package on a clean system
packages_long="dpkg-dev debhelper lintian debootstrap iproute2"

package_there() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

packages_missing() {
	for package in "$@"; do
		package_there "$package" || printf '%s ' "$package"
	done
}

# What installing them would remove; fails where apt does not know them (lists not fetched yet).
packages_removed_by() {
	LC_ALL=C apt-get -s install --no-install-recommends "$@" 2>/dev/null >"$packages_tmp" || return 1
	sed -n 's/^Remv \([^ ]*\).*/\1/p' "$packages_tmp"
}

# Services do not start while a policy-rc.d says so; one that is there already stays.
packages_apt() {
	printf '%s\n' 'slapd slapd/no_configuration boolean true' \
		'postfix postfix/main_mailer_type select No configuration' |
		debconf-set-selections 2>/dev/null || :
	packages_policy=${RESTANTE_POLICY_RC:-/usr/sbin/policy-rc.d}
	if [ -e "$packages_policy" ]; then
		packages_install "$@"
		return
	fi
	printf '#!/bin/sh\nexit 101\n' >"$packages_policy"
	chmod 755 "$packages_policy"
	trap 'rm -f "$packages_policy"' EXIT
	trap 'exit 130' INT TERM HUP
	packages_status=0
	packages_install "$@" || packages_status=1
	rm -f "$packages_policy"
	trap - EXIT INT TERM HUP
	return $packages_status
}

packages_install() {
	DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 \
		-o Dpkg::Options::=--force-confold install --no-install-recommends "$@" \
		>"$packages_log" 2>&1 </dev/null && return 0
	tail -5 "$packages_log" >&2
	return 1
}

# Another MTA is installed and stays: Postfix goes, unpacked only, below the build directory.
packages_private_postfix() {
	RESTANTE_POSTFIX_PREFIX=$1/postfix-private
	export RESTANTE_POSTFIX_PREFIX
	[ -x "$RESTANTE_POSTFIX_PREFIX/usr/sbin/postconf" ] && return 0
	mkdir -p "$RESTANTE_POSTFIX_PREFIX"
	for package in postfix-ldap postfix; do
		(cd "$RESTANTE_POSTFIX_PREFIX" && apt-get -q download $package >"$packages_log" 2>&1 &&
			dpkg -x ${package}_*.deb . && rm -f ${package}_*.deb) || {
			tail -5 "$packages_log" >&2
			return 1
		}
	done
	# its libraries come from the archive as usual: none of them conflicts with anything
	libraries=$(packages_missing libdb5.3 libicu72 libldap-2.5-0 libnsl2 libsasl2-2 libssl3)
	[ -z "$libraries" ] || packages_apt $libraries
}

# Where apt keeps what it has fetched: the newest file of that package there, or nothing.
packages_fetched() {
	ls -t "${RESTANTE_ARCHIVES:-/var/cache/apt/archives}/$1"_*.deb 2>/dev/null | head -1
}

packages_fetch() {
	(cd "${RESTANTE_ARCHIVES:-/var/cache/apt/archives}" &&
		apt-get -q download "$@" >"$packages_log" 2>&1) && return 0
	tail -5 "$packages_log" >&2
	return 1
}

# packages_unpack BUILD_DIRECTORY PREFIX PACKAGE...: unpacked only, below the build directory. They stay
# where apt keeps such files: a second time needs no network.
packages_unpack() {
	packages_log=$1/packages.log
	packages_prefix=$2
	shift 2
	mkdir -p "$packages_prefix"
	for package in "$@"; do
		[ -e "$packages_prefix/.$package" ] && continue
		[ -n "$(packages_fetched "$package")" ] || packages_fetch "$package" || {
			apt-get -q update >"$packages_log" 2>&1
			packages_fetch "$package"
		} || return 1
		dpkg -x "$(packages_fetched "$package")" "$packages_prefix" || return 1
		: >"$packages_prefix/.$package"
	done
	# set-group-id programs take no library that stands for another
	find "$packages_prefix" -type f -perm /6000 -exec chmod u-s,g-s {} +
}

# packages_private_sendmail BUILD_DIRECTORY: Sendmail conflicts with Postfix.
packages_private_sendmail() {
	RESTANTE_SENDMAIL_PREFIX=$1/sendmail-private
	export RESTANTE_SENDMAIL_PREFIX
	packages_unpack "$1" "$RESTANTE_SENDMAIL_PREFIX" $packages_sendmail || return 1
	packages_need "$1" $packages_sendmail_libraries
}

# packages_private_cyrus BUILD_DIRECTORY: Cyrus would be a service of this machine, were it installed.
packages_private_cyrus() {
	RESTANTE_CYRUS_PREFIX=$1/cyrus-private
	export RESTANTE_CYRUS_PREFIX
	packages_unpack "$1" "$RESTANTE_CYRUS_PREFIX" $packages_cyrus || return 1
	packages_need "$1" $packages_cyrus_libraries
}

# packages_need BUILD_DIRECTORY PACKAGE...
packages_need() {
	build=$1
	shift
	mkdir -p "$build"
	packages_log=$build/packages.log
	packages_tmp=$build/packages.tmp
	if [ -x "$build/postfix-private/usr/sbin/postconf" ] && ! package_there postfix; then
		packages_private_postfix "$build"
		set -- $(printf '%s\n' "$@" | grep -vxE "$packages_postfix")
	fi
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	echo "installing: $missing"
	removed=$(packages_removed_by $missing) || {
		apt-get -q update >"$packages_log" 2>&1 || {
			tail -3 "$packages_log" >&2
			return 1
		}
		removed=$(packages_removed_by $missing) || {
			echo "apt-get cannot install: $missing" >&2
			return 1
		}
	}
	if [ -n "$removed" ]; then
		echo "Postfix is unpacked into $build/postfix-private: installing it would remove" $removed
		missing=$(printf '%s\n' $missing | grep -vxE "$packages_postfix" | tr '\n' ' ')
		removed=$([ -z "$missing" ] || packages_removed_by $missing)
		if [ -n "$removed" ]; then
			echo "installing $missing would remove $removed: not done" >&2
			return 1
		fi
		packages_private_postfix "$build" || return 1
	fi
	[ -z "$missing" ] || packages_apt $missing
}

# package_configure SOURCE BUILD_DIRECTORY LOG CONFIGURE_OPTIONS... : configures where it is not yet.
package_configure() {
	source=$1 build=$2 log=$3
	shift 3
	[ -x "$source/configure" ] || (cd "$source" && autoreconf -fi) >"$log" 2>&1 || return 1
	[ -f "$build/Makefile" ] || (mkdir -p "$build" && cd "$build" &&
		"$source/configure" -q "$@") >>"$log" 2>&1
}
